"""GET /monitor/health and GET /monitor/stats."""

from __future__ import annotations

from typing import Any

from tests.integration.api import Api
from tests.integration.cloud import LANES, TABLE, Cloud, event
from tests.integration.conftest import Clock


def counted(aws: Cloud, tenant: str = "123456789012", **counts: int) -> None:
    """As the observer does: `email__READY` is `email:READY`."""
    aws.client("dynamodb").update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"COUNTER#{tenant}"}, "sk": {"S": "COUNTER"}},
        UpdateExpression="ADD " + ", ".join(f"#{at} :{at}" for at in range(len(counts))),
        ExpressionAttributeNames={f"#{at}": name.replace("__", ":") for at, name in enumerate(counts)},
        ExpressionAttributeValues={f":{at}": {"N": str(count)} for at, count in enumerate(counts.values())},
    )


def stats(api: Api) -> Any:
    answer = api("GET", "/monitor/stats")
    assert answer.status == 200, answer.body
    return answer.body


def test_health_needs_neither_identity_nor_aws(api: Api, aws: Cloud) -> None:
    answer = api.send(event("api", "get_health"))
    assert (answer.status, answer.body) == (200, {"status": "ok", "environment": "test"})
    assert aws.called() == []


def test_counts_per_state_and_type(api: Api, aws: Cloud) -> None:
    counted(aws, email__READY=3, email__DEAD=1, a__b__READY=2, gone__DEAD=0)
    counted(aws, tenant="999999999999", email__READY=100)
    answer = stats(api)
    assert (answer["states"]["READY"], answer["states"]["DEAD"], answer["states"]["RUNNING"]) == (5, 1, 0)
    assert len(answer["states"]) == 10
    assert answer["types"] == {"a:b": {"READY": 2}, "email": {"DEAD": 1, "READY": 3}}


def test_lanes_are_as_deep_as_their_queues(api: Api) -> None:
    api.submit(priority="high")
    api.submit(priority="high", delaySeconds=60)
    api.submit(priority="low")
    lanes = stats(api)["lanes"]
    assert set(lanes) == set(LANES)
    assert lanes["high"] == {"queued": 1, "inFlight": 0, "delayed": 1}
    assert lanes["low"] == {"queued": 1, "inFlight": 0, "delayed": 0}


def test_the_oldest_is_the_one_that_has_been_due_for_longest(api: Api, aws: Cloud, clock: Clock) -> None:
    counted(aws, email__READY=2, email__PENDING=1)
    api.submit(delaySeconds=30)
    clock.advance(20)
    api.submit()
    api.submit(delaySeconds=3600)
    clock.advance(25)
    assert stats(api)["oldestSeconds"] == 25
    clock.advance(100)
    assert stats(api)["oldestSeconds"] == 125


def test_nothing_that_waits_is_no_age_and_no_search(api: Api, aws: Cloud) -> None:
    assert stats(api)["oldestSeconds"] is None
    assert aws.called() == ["dynamodb.GetItem", *["sqs.GetQueueAttributes"] * len(LANES)]
    counted(aws, email__PENDING=1)
    api.submit(delaySeconds=60)
    assert stats(api)["oldestSeconds"] is None


def test_a_real_event_is_answered(api: Api) -> None:
    assert api.send(event("api", "get_stats")).status == 200
