"""Resources of the user's own stack: made where they can be, and granted as the template grants them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.system import LocalSystem
from tests.e2e.test_local_aws import call

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


def test_a_handler_reads_a_bucket_that_its_role_is_granted(tiny: LocalSystem) -> None:
    tiny.aws("s3").put_object(Bucket="uploads", Key="a.txt", Body=b"text")
    assert "ok" in call(tiny, "s3", "get_object", Bucket="uploads", Key="a.txt")
    assert call(tiny, "s3", "list_objects_v2", Bucket="uploads")["ok"]["KeyCount"] == 1


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "missing"),
    [
        (
            "s3",
            "get_object",
            {"Bucket": "tiny-private", "Key": "k"},
            "s3:GetObject on resource: arn:aws:s3:::tiny-private/k",
        ),
        ("s3", "put_object", {"Bucket": "uploads", "Key": "k"}, "s3:PutObject on resource: arn:aws:s3:::uploads/k"),
        (
            "s3",
            "delete_objects",
            {"Bucket": "uploads", "Delete": {"Objects": [{"Key": "k"}]}},
            "s3:DeleteObject on resource: arn:aws:s3:::uploads/k",
        ),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": "Tiny-Account"},
            "secretsmanager:GetSecretValue on resource: "
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:Tiny-Account-000000",
        ),
        (
            "dynamodb",
            "put_item",
            {"TableName": "Tiny-Orders", "Item": {"id": {"S": "1"}}},
            "dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/Tiny-Orders",
        ),
        ("events", "put_events", {"Entries": [{"EventBusName": "shop"}]}, "events:PutEvents on resource: "),
    ],
)
def test_a_call_without_a_grant_is_denied_in_the_words_of_aws(
    tiny: LocalSystem, service: str, operation: str, parameters: dict[str, Any], missing: str
) -> None:
    message = call(tiny, service, operation, **parameters)["message"]
    assert (
        "User: arn:aws:sts::123456789012:assumed-role/Tiny-ApiRole/Tiny-api is not authorized to perform: " in message
    )
    assert missing in message


def test_a_secret_is_found_by_its_arn_and_by_its_name(tiny: LocalSystem) -> None:
    arn = tiny.stack.reference("Password", None)
    assert arn.endswith(":secret:Tiny-Password-000000")
    for name in (arn, "Tiny-Password"):
        assert call(tiny, "secretsmanager", "get_secret_value", SecretId=name)["ok"]["SecretString"] == "open sesame"


def test_a_secret_with_a_generated_member_has_the_fields_of_its_template(tiny: LocalSystem) -> None:
    value = json.loads(tiny.aws("secretsmanager").get_secret_value(SecretId="Tiny-Account")["SecretString"])
    assert value["user"] == "me"
    assert len(value["password"]) == 32


def test_a_parameter_may_hold_a_placeholder_of_what_is_left_out(tiny: LocalSystem) -> None:
    answer = call(tiny, "ssm", "get_parameter", Name="/shop/setting")["ok"]
    assert answer["Parameter"]["Value"] == "Tiny-Db-Endpoint-Port"


def test_a_table_of_the_newer_type_is_there(tiny: LocalSystem) -> None:
    tiny.aws("dynamodb").put_item(TableName="Tiny-Orders", Item={"id": {"S": "1"}})
    assert call(tiny, "dynamodb", "get_item", TableName="Tiny-Orders", Key={"id": {"S": "1"}})["ok"]["Item"]


def test_a_fifo_queue_keeps_a_group_in_order_and_drops_duplicates(tiny: LocalSystem) -> None:
    url, sqs = tiny.stack.reference("InOrder", None), tiny.aws("sqs")
    for body in ("1", "1", "2"):
        assert "ok" in call(tiny, "sqs", "send_message", QueueUrl=url, MessageBody=body, MessageGroupId="g")
    [first] = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    [second] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert (first["Body"], second["Body"]) == ("1", "2")


def test_a_topic_sends_to_the_queue_that_subscribes_to_it(tiny: LocalSystem) -> None:
    tiny.aws("sns").publish(TopicArn=tiny.stack.reference("News", None), Message="news")
    [message] = tiny.aws("sqs").receive_message(QueueUrl=tiny.stack.reference("Reader", None))["Messages"]
    assert message["Body"] == "news"


def test_a_key_encrypts_under_its_id_and_its_alias(tiny: LocalSystem) -> None:
    kms = tiny.aws("kms")
    for name in (tiny.stack.reference("Key", "Arn"), "alias/shop"):
        secret = kms.encrypt(KeyId=name, Plaintext=b"text")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=secret)["Plaintext"] == b"text"


def test_what_cannot_be_made_is_noted_once(tiny: LocalSystem) -> None:
    assert [line for line in tiny.stack.notes.lines if line.startswith("left out here")] == [
        "left out here: a subscription of ByMail: topics of this stack send to its queues only",
        "left out here: AWS::RDS::DBInstance Db",
        "left out here: AWS::EC2::* Vpc and 1 more; functions in a network run without it",
    ]
