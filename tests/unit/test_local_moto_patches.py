"""Each patch of moto still changes what it is meant to, and nothing else. Run in a process of its own: they stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import base64, time
import boto3
from moto import mock_aws
from local.aws import moto_patches
from local.clock import Clock

clock = Clock()
moto_patches.apply(clock)
keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
with mock_aws():
    dynamodb, sqs = boto3.client("dynamodb", **keys), boto3.client("sqs", **keys)
    dynamodb.create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g")],
        GlobalSecondaryIndexes=[{
            "IndexName": "index", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}],
    )

    def refused(call, code, **parameters):
        try:
            call(**parameters)
        except Exception as error:
            assert code in str(error), error
        else:
            raise AssertionError(f"{code} expected")

    # Parameters and answers take the short way: with every type of value, binary ones too.
    item = {
        "pk": {"S": "p"}, "sk": {"S": "2"}, "g": {"S": "g"}, "n": {"N": "1.5"}, "b": {"B": b"\\x00\\xff"},
        "m": {"M": {"l": {"L": [{"BOOL": True}, {"NULL": True}]}}}, "ss": {"SS": ["a", "b"]}, "bs": {"BS": [b"x"]},
    }
    dynamodb.put_item(TableName="table", Item=item)
    got = dynamodb.get_item(TableName="table", Key={"pk": {"S": "p"}, "sk": {"S": "2"}})["Item"]
    assert {k: sorted(v["SS"]) if k == "ss" else v for k, v in got.items()} == {**item, "ss": ["a", "b"]}, got
    dynamodb.describe_table(TableName="table")

    # Queries are sorted and find their partition only; index queries too.
    for sk in "31":
        dynamodb.put_item(TableName="table", Item={"pk": {"S": "p"}, "sk": {"S": sk}, "g": {"S": "g"}})
        dynamodb.put_item(TableName="table", Item={"pk": {"S": "q" + sk}, "sk": {"S": sk}})
    def query(**more):
        values = {":v": {"S": more.pop("value")}}
        found = dynamodb.query(TableName="table", ExpressionAttributeValues=values, **more)["Items"]
        return [one["sk"]["S"] for one in found]
    assert query(KeyConditionExpression="pk = :v", value="p") == ["1", "2", "3"]
    assert query(KeyConditionExpression="pk = :v", value="p", ScanIndexForward=False) == ["3", "2", "1"]
    assert query(KeyConditionExpression="pk = :v", value="none") == []
    assert query(KeyConditionExpression="g = :v", value="g", IndexName="index") == ["1", "2", "3"]
    assert dynamodb.scan(TableName="table")["Count"] == 5

    # Expressions are parsed once, whatever their names and values.
    for value in ("1", "2"):
        new = dynamodb.update_item(
            TableName="table", Key={"pk": {"S": "u"}, "sk": {"S": "u"}},
            UpdateExpression="SET #a = if_not_exists(#a, :zero) + :v, c = :v REMOVE d",
            ConditionExpression="attribute_not_exists(c) OR c < :v",
            ExpressionAttributeNames={"#a": "a"},
            ExpressionAttributeValues={":v": {"N": value}, ":zero": {"N": "0"}}, ReturnValues="ALL_NEW",
        )["Attributes"]
    assert (new["a"], new["c"]) == ({"N": "3"}, {"N": "2"})
    refused(
        dynamodb.update_item, "ConditionalCheckFailed", TableName="table", Key={"pk": {"S": "u"}, "sk": {"S": "u"}},
        UpdateExpression="SET c = :v", ConditionExpression="c < :v", ExpressionAttributeValues={":v": {"N": "2"}},
    )
    refused(
        dynamodb.update_item, "Two document paths overlap", TableName="table", Key={"pk": {"S": "u"}, "sk": {"S": "u"}},
        UpdateExpression="SET c = :v, c = :v", ExpressionAttributeValues={":v": {"N": "2"}},
    )

    # Items above 400 KB are still refused, and one whose attribute is replaced often is not.
    refused(
        dynamodb.put_item, "Item size", TableName="table",
        Item={"pk": {"S": "w"}, "sk": {"S": "w"}, "a": {"S": "x" * 300_000}, "b": {"S": "x" * 200_000}},
    )
    for _ in range(10):
        dynamodb.update_item(
            TableName="table", Key={"pk": {"S": "w"}, "sk": {"S": "w"}}, UpdateExpression="SET c = :v",
            ExpressionAttributeValues={":v": {"S": "x" * 100_000}},
        )

    # Queues: attributes one by one, and nobody keeps instances.
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="now")
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "VisibilityTimeout"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert counts == dict(zip(names, ["1", "1", "7"])), counts
    assert "QueueArn" in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    refused(sqs.get_queue_attributes, "InvalidAttributeName", QueueUrl=url, AttributeNames=["Nonsense"])
    from moto.sqs.models import Message
    assert not Message.instances_tracked

    # Time is the virtual clock's.
    [first] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert abs(int(first["Attributes"]["SentTimestamp"]) - clock.now_ms()) < 5000
    clock.jump(601)
    again = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert sorted(one["Body"] for one in again) == ["later", "now"]
    clock.jump(5 * 86_400)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    table = boto3.resource("dynamodb", **keys).create_table(
        TableName="table2", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    assert abs(table.creation_date_time.timestamp() - clock.now()) < 5
print("all held")
"""


def test_every_patch_holds() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "all held", done.stderr
