"""The table's stream as an event source: order, filter, failures, TTL."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from local.system import LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


@pytest.fixture
def key(tiny: LocalSystem) -> dict[str, Any]:
    """The key of an item that the observer watches, of this test's own."""
    assert tiny.settle()
    return {"pk": {"S": uuid.uuid4().hex}, "sk": {"S": "WATCHED"}}


def logged(tiny: LocalSystem, key: dict[str, Any]) -> list[dict[str, Any]]:
    answer = tiny.aws("dynamodb").query(
        TableName="Tiny-Table", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "LOG"}}
    )
    return [item for item in answer["Items"] if item["of"] == key["pk"]]


def log(tiny: LocalSystem, key: dict[str, Any]) -> list[str]:
    return [f"{item['event']['S']} {item['who']['S']}".strip() for item in logged(tiny, key)]


def test_changes_are_delivered_in_order(tiny: LocalSystem, key: dict[str, Any]) -> None:
    dynamodb = tiny.aws("dynamodb")
    dynamodb.put_item(TableName="Tiny-Table", Item=key)
    for at in range(3):
        dynamodb.put_item(TableName="Tiny-Table", Item={**key, "n": {"N": str(at)}})
    dynamodb.put_item(TableName="Tiny-Table", Item={**key, "n": {"N": "2"}})  # changes nothing: no record
    dynamodb.delete_item(TableName="Tiny-Table", Key=key)
    assert tiny.settle()
    assert log(tiny, key) == ["INSERT", "MODIFY", "MODIFY", "MODIFY", "REMOVE"]


def test_an_update_that_makes_an_item_is_one_insert(tiny: LocalSystem, key: dict[str, Any]) -> None:
    tiny.usage.reset()
    tiny.aws("dynamodb").update_item(
        TableName="Tiny-Table",
        Key=key,
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert tiny.usage.write_units["admin"] == 1
    assert tiny.settle()
    assert log(tiny, key) == ["INSERT"]


def test_what_the_filter_leaves_out_is_not_delivered(tiny: LocalSystem, key: dict[str, Any]) -> None:
    other = {**key, "sk": {"S": "OTHER"}}
    tiny.aws("dynamodb").put_item(TableName="Tiny-Table", Item=other)
    assert tiny.settle()
    assert log(tiny, key) == []


def test_a_record_that_keeps_failing_goes_to_the_destination_and_the_next_are_delivered(
    tiny: LocalSystem, key: dict[str, Any]
) -> None:
    dynamodb = tiny.aws("dynamodb")
    after = {**key, "pk": {"S": uuid.uuid4().hex}}
    dynamodb.put_item(TableName="Tiny-Table", Item={**key, "poison": {"BOOL": True}})
    dynamodb.put_item(TableName="Tiny-Table", Item=after)
    assert tiny.settle()
    assert log(tiny, key) == []
    assert log(tiny, after) == ["INSERT"]
    [message] = tiny.aws("sqs").receive_message(QueueUrl=tiny.stack.reference("Failures", None))["Messages"]
    told = json.loads(message["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["DDBStreamBatchInfo"]["streamArn"] == tiny.stack.reference("Table", "StreamArn")
    assert told["DDBStreamBatchInfo"]["startSequenceNumber"] <= told["DDBStreamBatchInfo"]["endSequenceNumber"]


def test_a_batch_that_raises_is_split_until_the_bad_record_is_alone(tiny: LocalSystem, key: dict[str, Any]) -> None:
    dynamodb = tiny.aws("dynamodb")
    pks = [uuid.uuid4().hex for _ in range(4)]
    for pk in pks:
        poison = {"poison": {"S": "raise"}} if pk == pks[1] else {}
        dynamodb.put_item(TableName="Tiny-Table", Item={**key, "pk": {"S": pk}, **poison})
    assert tiny.settle()
    assert [log(tiny, {"pk": {"S": pk}}) for pk in pks] == [["INSERT"], [], ["INSERT"], ["INSERT"]]


def test_in_a_tumbling_window_the_shard_is_told_and_the_state_handed_on(tiny: LocalSystem, key: dict[str, Any]) -> None:
    for name in "ab":
        tiny.aws("dynamodb").put_item(TableName="Tiny-Table", Item={**key, "name": {"S": name}})
        assert tiny.settle()
    first, second = logged(tiny, key)
    assert first["shard"]["S"].startswith("shardId-")
    assert first["shard"] == second["shard"]
    assert int(second["called"]["N"]) == int(first["called"]["N"]) + 1


def test_in_a_tumbling_window_an_answer_without_a_state_is_an_error(tiny: LocalSystem, key: dict[str, Any]) -> None:
    dynamodb = tiny.aws("dynamodb")
    dynamodb.put_item(TableName="Tiny-Table", Item={**key, "poison": {"S": "stateless"}})
    dynamodb.put_item(TableName="Tiny-Table", Item={**key, "poison": {"S": "stateless"}, "n": {"N": "1"}})
    dynamodb.put_item(TableName="Tiny-Table", Item={**key, "n": {"N": "2"}})
    assert tiny.settle()
    assert log(tiny, key) == ["MODIFY"]


def test_items_past_their_time_to_live_are_removed_by_dynamodb(tiny: LocalSystem, key: dict[str, Any]) -> None:
    expires = {"expiresAt": {"N": str(int(tiny.clock.now()) + 3600)}}
    tiny.aws("dynamodb").put_item(TableName="Tiny-Table", Item={**key, **expires})
    tiny.clock.advance(3590)
    assert "Item" in tiny.aws("dynamodb").get_item(TableName="Tiny-Table", Key=key)
    tiny.clock.advance(20)
    tiny.settle()
    assert "Item" not in tiny.aws("dynamodb").get_item(TableName="Tiny-Table", Key=key)
    assert log(tiny, key) == ["INSERT", "REMOVE dynamodb.amazonaws.com"]


def test_write_units_count_the_item_and_the_indexes_that_change(tiny: LocalSystem, key: dict[str, Any]) -> None:
    dynamodb = tiny.aws("dynamodb")

    def cost(**attributes: Any) -> int:
        tiny.usage.reset()
        dynamodb.put_item(TableName="Tiny-Table", Item={**key, "sk": {"S": "COST"}, **attributes})
        return tiny.usage.write_units["admin"]

    assert cost() == 1
    assert cost(text={"S": "x" * 1500}) == 2
    assert cost() == 2  # the larger of old and new
    assert cost(g={"S": "a"}) == 2
    assert cost(g={"S": "a"}, other={"S": "x"}) == 1
    assert cost(g={"S": "b"}) == 3
