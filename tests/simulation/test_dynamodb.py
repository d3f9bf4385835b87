"""The simulation's DynamoDB client answers as boto3 does on moto: every call of some seeds, and some that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.simulation.deployment import TABLE
from tests.simulation.dynamodb import DynamoDB
from tests.simulation.run import run
from tests.simulation.seams import uninstall
from tests.simulation.world import CREATE_TABLE

COMPARED = ("Item", "Items", "Attributes", "Responses", "LastEvaluatedKey", "UnprocessedKeys")
KEY = {"pk": {"S": "TASK#t#1"}, "sk": {"S": "TASK"}}
PK = {"ExpressionAttributeValues": {":pk": KEY["pk"]}}
OTHER = {"pk": {"S": "TASK#t#2"}, "sk": {"S": "TASK"}}
Call = tuple[str, dict[str, Any]]


def answer(call: Any) -> Any:
    try:
        given = call()
    except ClientError as error:
        return error.response["Error"]["Code"], sets_sorted(error.response.get("Item"))
    return {name: sets_sorted(given[name]) for name in COMPARED if given.get(name)}


def sets_sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: sorted(v) if k in ("SS", "NS") else sets_sorted(v) for k, v in value.items()}
    return [sets_sorted(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        client.create_table(**CREATE_TABLE)
        yield client


def compare(real: Any, calls: list[Call]) -> int:
    ours = DynamoDB(CREATE_TABLE)
    for operation, arguments in calls:
        expected = answer(lambda o=operation, a=arguments: getattr(real, o)(**a))
        assert answer(lambda o=operation, a=arguments: ours.call(o, a)) == expected, (operation, arguments)
    return len(calls)


@pytest.mark.simulation
def test_dynamodb_calls_of_some_seeds_are_answered_as_by_moto(monkeypatch: pytest.MonkeyPatch, real: Any) -> None:
    calls: list[Call] = []
    call = DynamoDB.call

    def recorded(self: DynamoDB, operation: str, arguments: dict[str, Any]) -> Any:
        calls.append((operation, arguments))
        return call(self, operation, arguments)

    with monkeypatch.context() as patches:
        patches.setattr(DynamoDB, "call", recorded)
        try:
            for seed in range(3):
                # Each in a table of its own: the tenant is part of every key.
                run(seed, only=("chain", "dag_retried", "scheduled_one_at_a_time")[seed])
                tenant = f"tenant{seed}"
                calls = [(operation, renamed(arguments, tenant)) for operation, arguments in calls]
        finally:
            uninstall()
    assert compare(real, calls) > 200
    assert {operation for operation, _ in calls} >= {"put_item", "update_item", "get_item", "query", "batch_get_item"}


def renamed(value: Any, tenant: str) -> Any:
    if isinstance(value, dict):
        return {name: renamed(inner, tenant) for name, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, tenant) for inner in value]
    return value.replace("#123456789012", f"#{tenant}") if isinstance(value, str) else value


def update(expression: str, condition: str = "attribute_exists(pk)", **rest: Any) -> Call:
    given = {"TableName": TABLE, "Key": KEY, "UpdateExpression": expression, "ConditionExpression": condition}
    return "update_item", given | {"ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"} | rest


def test_dynamodb_updates_repeated_are_answered_as_by_moto(real: Any) -> None:
    """The second time the expression is known, and taken another way."""
    values: Any = {":one": {"N": "1"}, ":s": {"SS": ["a", "b"]}, ":t": {"S": "x"}}

    def v(*names: str) -> dict[str, Any]:
        return {"ExpressionAttributeValues": {name: values[name] for name in names}}

    once = [
        (
            "put_item",
            {"TableName": TABLE, "Item": KEY | {"n": {"N": "1"}, "s": {"SS": ["a", "b", "c"]}, "b": {"B": b"1"}}},
        ),
        update("SET n = n + :one", **v(":one")),
        update("SET n = :one, x = :t REMOVE y", **v(":one", ":t")),
        update("ADD n :one", **v(":one")),
        update("ADD fresh :one", **v(":one")),
        update("DELETE s :s", **v(":s")),
        update("DELETE s :s SET x = :t", **v(":s", ":t")),
        update("ADD s :s", **v(":s")),
        update("SET missing = missing + :one", **v(":one")),
        update("SET #n = :t", ExpressionAttributeNames={"#n": "state"}, **v(":t")),
        update("SET n = :one", "x = :t AND n > :one", **v(":one", ":t")),
        update("SET n = :one", "x = :t AND n < :one", **v(":one", ":t")),
        update("SET n = :one", "attribute_not_exists(b)", **v(":one")),
        update("SET state = :t", **v(":t")),
        update("REMOVE missing, fresh"),
        update("SET x = if_not_exists(x, :t)", **v(":t")),
        update("SET y = if_not_exists(y, :t), x = if_not_exists(y, :t)", **v(":t")),
        update(
            "SET n = if_not_exists(n, :one), z = :t", Key=OTHER, condition="attribute_not_exists(pk)", **v(":one", ":t")
        ),
        update("DELETE s :s", Key=OTHER, **v(":s")),
        ("delete_item", {"TableName": TABLE, "Key": OTHER}),
        ("delete_item", {"TableName": TABLE, "Key": OTHER}),
        update("ADD n :one, s :s", Key=OTHER, condition="attribute_not_exists(pk)", **v(":one", ":s")),
        ("put_item", {"TableName": TABLE, "Item": OTHER | {"b": {"BOOL": True}, "l": {"L": [{"N": "1"}]}}}),
        ("put_item", {"TableName": TABLE, "Item": OTHER | {"s": {"SS": []}}}),
        ("put_item", {"TableName": TABLE, "Item": OTHER, "ConditionExpression": "attribute_not_exists(n)"}),
        ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [OTHER, KEY, KEY | {"sk": {"S": "none"}}]}}}),
        ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [KEY, KEY]}}}),
        ("delete_item", {"TableName": TABLE, "Key": OTHER}),
        ("get_item", {"TableName": TABLE, "Key": KEY, "ConsistentRead": True}),
        ("delete_item", {"TableName": TABLE, "Key": KEY, "ConditionExpression": "attribute_not_exists(pk)"}),
        ("put_item", {"TableName": TABLE, "Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}),
        ("query", {"TableName": TABLE, "KeyConditionExpression": "pk = :t", **v(":t")}),
        ("query", {"TableName": TABLE, "KeyConditionExpression": "nokey = :t", **v(":t")}),
        ("query", {"TableName": TABLE, "KeyConditionExpression": "pk = :pk", "Limit": 1, **PK}),
        ("query", {"TableName": TABLE, "KeyConditionExpression": "pk = :pk", "ProjectionExpression": "sk, n", **PK}),
    ]
    assert compare(real, [*once, *once])
