"""The least that a system on SQS and DynamoDB can do: send in tens; receive in tens, write each task, delete in tens.

`raw.py produce` and `raw.py work`: two processes, as everybody else has; one thread each.
"""

import json
import os
import sys

import boto3
import producer
from botocore.config import Config
from notes import work

label, path = os.environ["BENCH_LABEL"], os.environ["BENCH_NOTES"]


def main(what: str) -> None:
    sqs, dynamodb = (boto3.client(name, config=Config(read_timeout=30)) for name in ("sqs", "dynamodb"))
    url = sqs.get_queue_url(QueueName=label)["QueueUrl"]

    def submit(tasks: list[dict], delay: float) -> None:
        delayed = {"DelaySeconds": round(delay)} if delay else {}
        entries = [{"Id": str(at), "MessageBody": json.dumps(t), **delayed} for at, t in enumerate(tasks)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    if what == "produce":
        producer.serve(submit, group=10)
        return
    while True:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get("Messages", [])
        for message in messages:
            task = json.loads(message["Body"])
            work(path, task["task"], task["what"], task.get("seconds", 0))
            dynamodb.put_item(TableName=label, Item={"id": {"S": task["task"]}, "state": {"S": "SUCCESS"}})
        if messages:
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


if __name__ == "__main__":
    main(sys.argv[1])
