"""What a function finds around it when it runs: table, queues, timers, bucket and variables, in moto, in this process.

Names and attributes follow the stack's (tests/infra holds the template to them).
"""

from __future__ import annotations

import importlib
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3

from functions.aws.queues import Lane
from functions.runtime.environment import parse_lanes

ACCOUNT = "123456789012"
REGION = "us-east-1"
TENANT = ACCOUNT
EVENTS = Path(__file__).parents[2] / "events"
LANES = ("high", "normal", "low")
WORKER_TIMEOUT_SECONDS = 60
VISIBILITY_SECONDS = 70
MAX_RECEIVES = 12
SHARDS = 4
AUTH = json.dumps({"iam": {"tenantFrom": "account"}, "jwt": {"tenantClaim": "org"}})
"""Both APIs. Tokens carry their roles as scopes, `taskyard/viewer`."""

TABLE = "taskyard-test"
BUCKET = "taskyard-test-documents"
TIMER_GROUP = "taskyard-test"
SCHEDULE_GROUP = "taskyard-test-schedules"
TIMER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/taskyard-test-timers"


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


FIRING_ARN = function_arn("Taskyard-dev-firing")
"""Of events/producer/failed_firing.json."""


@dataclass(frozen=True)
class Call:
    """One call of boto3: `dynamodb.PutItem` and its parameters."""

    name: str
    parameters: Mapping[str, Any]

    @property
    def is_of_audit(self) -> bool:
        """The write of an audit record."""
        return self.name == "dynamodb.PutItem" and is_audit_record(self.parameters["Item"])


@dataclass
class Cloud:
    """`calls`: every call since the last `forget_calls`, in order. `env`: the variables of every function."""

    env: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    # -- running functions

    def invoke(self, name: str, event: dict[str, Any], *, remaining_ms: int = WORKER_TIMEOUT_SECONDS * 1000) -> Any:
        """Calls the function of that name (`api`, `worker`, `dead_letter`, `observer`) as Lambda would."""
        package = "producer" if name == "firing" else name
        handler = importlib.import_module(f"functions.{package}.handler").handler
        context = SimpleNamespace(
            aws_request_id=str(uuid.uuid4()),
            function_name=name,
            invoked_function_arn=FIRING_ARN if name == "firing" else function_arn(name),
            get_remaining_time_in_millis=lambda: remaining_ms,
        )
        return handler(event, context)

    def forget_calls(self) -> None:
        self.calls.clear()

    def called(self, *, audit: bool = True) -> list[str]:
        """Names of the calls. `audit`: with the writes of audit records."""
        return [call.name for call in self.calls if audit or not call.is_of_audit]

    # -- looking at what they left behind

    def lanes(self) -> dict[str, Lane]:
        return parse_lanes(self.env["LANES"])

    def wakeups(self, lane: str | None = None) -> list[dict[str, Any]]:
        """Every wake-up sent by message so far (since `forget_calls`): its body and `delay`, and its `lane`."""
        urls = {lane.url: name for name, lane in self.lanes().items()}
        sent = [
            json.loads(call.parameters["MessageBody"])
            | {"delay": call.parameters.get("DelaySeconds", 0), "lane": urls[call.parameters["QueueUrl"]]}
            for call in self.calls
            if call.name == "sqs.SendMessage"
        ]
        return [wakeup for wakeup in sent if lane in (None, wakeup["lane"])]

    def timers(self) -> list[dict[str, Any]]:
        scheduler = self.client("scheduler")
        listed = scheduler.list_schedules(GroupName=TIMER_GROUP)["Schedules"]
        return [scheduler.get_schedule(Name=timer["Name"], GroupName=TIMER_GROUP) for timer in listed]

    def items(self, *, audit: bool = True) -> list[dict[str, Any]]:
        """All items of the table. `audit`: with audit records."""
        found: list[dict[str, Any]] = self.client("dynamodb").scan(TableName=TABLE)["Items"]
        return [item for item in found if audit or not is_audit_record(item)]

    def deliver(self, lane: str = "normal", *, dead_letters: bool = False) -> dict[str, Any]:
        """Receives what is visible (at most ten messages), as the event that Lambda's poller would make of it."""
        found = self.lanes()[lane]
        url = found.url + ("-dead" if dead_letters else "")
        arn = found.dead_letter_arn if dead_letters else found.arn
        received = self.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=0
        )
        return {"Records": [sqs_record(message, arn) for message in received.get("Messages", [])]}

    def work_off(self, lane: str = "normal") -> None:
        """Delivers what is visible until nothing is, and deletes what the worker is done with."""
        url = self.lanes()[lane].url
        while records := (event := self.deliver(lane))["Records"]:
            kept = {entry["itemIdentifier"] for entry in self.invoke("worker", event)["batchItemFailures"]}
            for record in records:
                if record["messageId"] not in kept:
                    self.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])


def is_audit_record(item: Mapping[str, Any]) -> bool:
    return str(item["pk"]["S"]).startswith("AUDIT#")


def sqs_record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }


def event(part: str, name: str) -> dict[str, Any]:
    """events/<part>/<name>.json"""
    loaded: dict[str, Any] = json.loads((EVENTS / part / f"{name}.json").read_text())
    return loaded


def provision(cloud: Cloud) -> None:
    """Makes the resources, and the variables that name them. Inside `mock_aws`."""
    key = {"pk": "HASH", "sk": "RANGE"}
    indexes = {"listing": ("listPk", "listSk"), "deadLetters": ("deadPk", "deadSk")}
    attributes = [*key, *(name for pair in indexes.values() for name in pair)]
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in key.items()],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": hash_key, "KeyType": "HASH"},
                    {"AttributeName": range_key, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for name, (hash_key, range_key) in indexes.items()
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for lane in LANES:
        create_lane(cloud, lane)
    for group in (TIMER_GROUP, SCHEDULE_GROUP):
        cloud.client("scheduler").create_schedule_group(Name=group)
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    cloud.client("ses").verify_email_identity(EmailAddress="taskyard@example.com")
    cloud.env = environment()


def create_lane(cloud: Cloud, lane: str) -> None:
    """Its two queues."""
    sqs = cloud.client("sqs")
    dead = sqs.create_queue(QueueName=f"taskyard-test-{lane}-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.create_queue(
        QueueName=f"taskyard-test-{lane}",
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": MAX_RECEIVES}),
        },
    )


def lanes_variable(names: Sequence[str] = LANES) -> str:
    """LANES, as the template has it."""
    queues = {name: [f"taskyard-test-{name}", f"taskyard-test-{name}-dead"] for name in names}
    url, arn = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/", f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
    return json.dumps({"url": url, "arn": arn, "queues": queues})


def environment(lanes: Sequence[str] = LANES) -> dict[str, str]:
    """The variables of every function, with these lanes."""
    return {
        "ENVIRONMENT": "test",
        "TABLE_NAME": TABLE,
        "DOCUMENT_BUCKET": BUCKET,
        "LANES": lanes_variable(lanes),
        "LANE": "normal",
        "TIMER_GROUP": TIMER_GROUP,
        "TIMER_ROLE_ARN": TIMER_ROLE,
        "RETENTION_DAYS": "7",
        "AUDIT_RETENTION_DAYS": "30",
        "WORKER_TIMEOUT_SECONDS": str(WORKER_TIMEOUT_SECONDS),
        "LISTING_SHARDS": str(SHARDS),
        "AUTH": AUTH,
        "RUN_MACHINE_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:taskyard-test-runs",
        "NOTIFY_MACHINE_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:taskyard-test-notifications",
        "WEBHOOK_REACH": "local",
        "SCHEDULE_GROUP": SCHEDULE_GROUP,
        "SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/taskyard-test-schedules",
        "FIRING_ARN": FIRING_ARN,
        "WEBHOOK_SECRETS": "taskyard/test/webhooks",
        "HANDLER_SECRETS": "taskyard/test/secrets",
        "MAIL_FROM": "taskyard@example.com",
        "MAIL_SENDERS": "taskyard@example.com,no-reply@example.com,unverified@example.org",
        "LOG_LEVEL": "INFO",
    }


def forget_processes() -> None:
    """What functions keep for the life of their process is of the test before: begins anew."""
    from functions.aws.clients import client

    client.cache_clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("functions.") and name.endswith(".handler") and hasattr(module, "services"):
            module.services.cache_clear()
