"""The AWS endpoint: a function may do what its role's policy says, and is told no as AWS tells it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.system import LocalSystem
from tests.e2e.callers import bearer

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]

TABLE = "Tiny-Table"
ITEM = {"pk": {"S": "a"}, "sk": {"S": "b"}}


def call(tiny: LocalSystem, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """The api function makes the call."""
    body = {"do": "aws", "service": service, "call": operation, "with": parameters}
    answer: dict[str, Any] = httpx.post(f"{tiny.url}/ask", json=body, headers=bearer(tiny), timeout=30).json()
    return answer


def schedule(tiny: LocalSystem, name: str, at: float, **target: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "GroupName": "Tiny-Group",
        "ScheduleExpression": f"at({datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": tiny.stack.reference("Queue", "Arn"),
            "RoleArn": tiny.stack.reference("FireRole", "Arn"),
            "Input": json.dumps({"id": name}),
            **target,
        },
    }


def test_what_the_policy_allows_works(tiny: LocalSystem) -> None:
    assert "ok" in call(tiny, "dynamodb", "put_item", TableName=TABLE, Item=ITEM)
    assert "ok" in call(tiny, "s3", "put_object", Bucket="tiny-bucket", Key="mine/a", Body="text")
    assert "ok" in call(tiny, "sqs", "send_message", QueueUrl="Tiny-Queue", MessageBody='{"id": "allowed"}')


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "words"),
    [
        ("dynamodb", "delete_item", {"TableName": TABLE, "Key": ITEM}, "dynamodb:DeleteItem"),
        (
            "dynamodb",
            "query",
            {
                "TableName": TABLE,
                "IndexName": "byG",
                "KeyConditionExpression": "g = :g",
                "ExpressionAttributeValues": {":g": {"S": "x"}},
            },
            "table/Tiny-Table/index/byG",
        ),
        ("s3", "put_object", {"Bucket": "tiny-bucket", "Key": "yours/a", "Body": "x"}, "AccessDenied"),
        ("sqs", "send_message", {"QueueUrl": "Tiny-Dead", "MessageBody": "x"}, "(AccessDenied)"),
        ("sqs", "receive_message", {"QueueUrl": "Tiny-Queue"}, "sqs:ReceiveMessage"),
        ("ses", "send_raw_email", {"RawMessage": {"Data": "x"}}, "AccessDenied"),
        ("ssm", "get_parameter", {"Name": "/theirs"}, "ssm:GetParameter"),
    ],
)
def test_what_the_policy_does_not_allow_is_denied(
    tiny: LocalSystem, service: str, operation: str, parameters: dict[str, Any], words: str
) -> None:
    answer = call(tiny, service, operation, **parameters)
    assert words in answer["message"]


def test_a_role_must_be_allowed_to_be_passed(tiny: LocalSystem) -> None:
    wanted = schedule(tiny, "passed", tiny.clock.now() + 300, RoleArn=tiny.stack.reference("WorkRole", "Arn"))
    assert "iam:PassRole" in call(tiny, "scheduler", "create_schedule", **wanted)["message"]


def test_scheduler_takes_only_a_role_that_trusts_it(tiny: LocalSystem) -> None:
    wanted = schedule(tiny, "trusted", tiny.clock.now() + 300, RoleArn=tiny.stack.reference("WorkRole", "Arn"))
    with pytest.raises(tiny.aws("scheduler").exceptions.ValidationException, match="assume the role"):
        tiny.aws("scheduler").create_schedule(**wanted)


def test_a_schedule_fires_within_its_minute_and_is_gone(tiny: LocalSystem) -> None:
    due = tiny.clock.now() + 30 * 86_400
    assert "ok" in call(tiny, "scheduler", "create_schedule", **schedule(tiny, "fires", due))
    answer = call(tiny, "scheduler", "create_schedule", **schedule(tiny, "fires", due))
    assert answer["error"] == "ConflictException"
    tiny.clock.advance(31 * 86_400)
    [item] = tiny.aws("dynamodb").query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "SEEN#fires"}}
    )["Items"]
    minute = due - due % 60
    assert minute <= float(item["at"]["S"]) < minute + 61
    assert tiny.aws("scheduler").list_schedules(GroupName="Tiny-Group")["Schedules"] == []


def test_a_schedule_that_was_deleted_or_moved_does_not_fire_at_its_old_time(tiny: LocalSystem) -> None:
    scheduler = tiny.aws("scheduler")
    due = tiny.clock.now() + 86_400
    for name in ("deleted", "moved"):
        scheduler.create_schedule(**schedule(tiny, name, due))
    scheduler.delete_schedule(Name="deleted", GroupName="Tiny-Group")
    scheduler.update_schedule(**schedule(tiny, "moved", due + 86_400))
    tiny.clock.advance(86_400 + 120)
    count = len(tiny.invocations)
    tiny.clock.advance(86_400)
    assert len(tiny.invocations) == count + 1


def test_a_firing_that_the_role_does_not_allow_is_not_delivered(tiny: LocalSystem) -> None:
    wanted = schedule(tiny, "refused", tiny.clock.now() + 60, Arn=tiny.stack.reference("Dead", "Arn"))
    tiny.aws("scheduler").create_schedule(**wanted)
    count = len(tiny.invocations)
    tiny.clock.advance(300)
    assert len(tiny.invocations) == count


def test_mail_is_kept_and_shown(tiny: LocalSystem) -> None:
    message = {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Nice to see you."}}}
    answer = call(
        tiny, "ses", "send_email", Source="a@example.com", Destination={"ToAddresses": ["b@c.org"]}, Message=message
    )
    assert "MessageId" in answer["ok"]
    mail = tiny.mail()[-1]
    assert (mail.sender, mail.to, mail.subject, mail.body) == (
        "a@example.com",
        ["b@c.org"],
        "Hello",
        "Nice to see you.",
    )
    assert httpx.get(f"{tiny.url}/_local/mail").json()[-1]["subject"] == "Hello"


def test_mail_from_an_address_that_is_not_verified_is_refused(tiny: LocalSystem) -> None:
    message = {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "x"}}}
    answer = call(
        tiny, "ses", "send_email", Source="x@other.org", Destination={"ToAddresses": ["b@c.org"]}, Message=message
    )
    assert answer["error"] == "MessageRejected"


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("dynamodb", "list_tables", {}),
        ("sqs", "list_queues", {}),
        ("s3", "list_objects_v2", {"Bucket": "tiny-bucket"}),
        ("s3", "put_object", {"Bucket": "tiny-bucket", "Key": "a", "Body": b"x"}),
        ("scheduler", "list_schedules", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("lambda", "invoke", {"FunctionName": "Tiny-api"}),
        ("sts", "get_caller_identity", {}),
    ],
)
@pytest.mark.parametrize("key", ["an unknown key", "a wrong secret", "what was the key once"])
def test_a_key_or_a_secret_that_is_not_of_this_start_is_refused(
    tiny: LocalSystem, service: str, operation: str, parameters: dict[str, Any], key: str
) -> None:
    access_key, code = {
        "an unknown key": ("AKIAIOSFODNN7EXAMPLE", "UnrecognizedClientException"),
        "a wrong secret": (tiny.admin.access_key, "InvalidSignatureException|SignatureDoesNotMatch"),
        "what was the key once": ("LOCALADMIN0000000000", "UnrecognizedClientException"),
    }[key]
    client = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=tiny.endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**parameters)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert re.fullmatch(code, refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("headers", [{}, {"authorization": "AWS4-HMAC-SHA256 x"}, {"authorization": "Bearer x"}])
def test_a_call_without_a_signature_is_refused(tiny: LocalSystem, headers: dict[str, str]) -> None:
    assert httpx.post(tiny.endpoint, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
def test_a_page_of_another_site_reaches_neither_aws_nor_a_runtime_api(
    tiny: LocalSystem, headers: dict[str, str]
) -> None:
    for url in (tiny.endpoint, runtime_api(tiny)):
        answer = httpx.get(url, headers=headers)
        assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize(("method", "path"), [("GET", "invocation/next"), ("POST", "init/error")])
def test_a_runtime_api_is_its_own_function_s_only(tiny: LocalSystem, method: str, path: str) -> None:
    answer = httpx.request(method, f"{runtime_api(tiny)}/2018-06-01/runtime/{path}")
    assert (answer.status_code, answer.json()["errorType"]) == (403, "Forbidden")


def runtime_api(tiny: LocalSystem) -> str:
    """The address that a running api function has, without its key."""
    env = httpx.post(f"{tiny.url}/ask", json={}, headers=bearer(tiny), timeout=30).json()["env"]
    return f"http://{env['AWS_LAMBDA_RUNTIME_API'].partition('/')[0]}"


def test_objects_and_long_polls(tiny: LocalSystem) -> None:
    s3, sqs = tiny.aws("s3"), tiny.aws("sqs")
    s3.put_object(Bucket="tiny-bucket", Key="big/object with space", Body=b"\x00" * 3_000_000)
    assert s3.get_object(Bucket="tiny-bucket", Key="big/object with space")["Body"].read() == b"\x00" * 3_000_000
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="tiny-bucket", Prefix="big/")["Contents"]] == [
        "big/object with space"
    ]
    assert "Messages" not in sqs.receive_message(QueueUrl=tiny.stack.reference("Failures", None), WaitTimeSeconds=1)
