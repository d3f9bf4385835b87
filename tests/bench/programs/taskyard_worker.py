"""A worker function with its poller, in one process over HTTP: receive ten, call the handler with the event, delete
what it did not report. What Lambda's event source mapping does, but charged to us, as the peers' polling is to them."""

import os
import sys
import time
import uuid
from types import SimpleNamespace

import boto3
from botocore.config import Config

TIMEOUT_MS = 60_000


def record(message: dict, arn: str) -> dict:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }


def main() -> None:
    from functions.worker.handler import handler

    sqs = boto3.client("sqs", config=Config(read_timeout=30))
    url, arn = os.environ["BENCH_QUEUE"], "arn:aws:sqs:us-east-1:123456789012:bench"
    while True:
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20, MessageSystemAttributeNames=["All"]
        )
        messages = received.get("Messages", [])
        if not messages:
            continue
        ends = time.monotonic() + TIMEOUT_MS / 1000
        context = SimpleNamespace(
            aws_request_id=str(uuid.uuid4()),
            function_name="worker-normal",
            get_remaining_time_in_millis=lambda ends=ends: round((ends - time.monotonic()) * 1000),
        )
        answer = handler({"Records": [record(message, arn) for message in messages]}, context)
        kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [m for m in messages if m["MessageId"] not in kept]
        if done:
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(done)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


if __name__ == "__main__":
    sys.exit(main())
