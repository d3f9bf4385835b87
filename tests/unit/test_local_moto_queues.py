"""Receiving and settling messages, apart from any process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.sqs.models import Message, Queue

from local.aws.moto_queues import has_visible_message, next_visible_ms, receive_messages
from local.event_sources.partial_failures import failed_ids

SECOND = 1000.0


def queue(**attributes: Any) -> Any:
    made: Any = Queue("q", "us-east-1", "123456789012", **{"VisibilityTimeout": 30, **attributes})
    return made


def message(id: str, *, sent: float = 0.0, delayed_until: float = 0.0) -> Any:
    made: Any = Message(id, "body")
    made.sent_timestamp, made.delayed_until = sent, delayed_until
    return made


def take(from_queue: Any, now: float, count: int = 10) -> list[str]:
    return [m.id for m in receive_messages(from_queue, count, now, lambda dead: None)]


def test_a_received_message_is_hidden_for_the_visibility_timeout() -> None:
    q = queue()
    q._messages = [message("a")]
    assert take(q, 1 * SECOND) == ["a"]
    assert take(q, 30 * SECOND) == []
    assert not has_visible_message(q, 30 * SECOND)
    assert next_visible_ms(q, 30 * SECOND) == 31 * SECOND
    assert take(q, 31 * SECOND) == ["a"]
    assert q._messages[0].approximate_receive_count == 2
    assert q._messages[0].approximate_first_receive_timestamp == 1000


def test_each_receipt_has_a_handle_of_its_own() -> None:
    q = queue(VisibilityTimeout=0)
    q._messages = [message("a")]
    take(q, 1)
    first = q._messages[0].receipt_handle
    take(q, 2)
    assert q._messages[0].receipt_handle != first
    assert q._messages[0].had_receipt_handle(first)


def test_at_most_a_batch_is_received() -> None:
    q = queue()
    q._messages = [message(str(i)) for i in range(12)]
    assert len(take(q, 0.0, 10)) == 10
    assert len(take(q, 0.0, 10)) == 2


def test_a_delayed_message_is_not_received_before_its_time() -> None:
    q = queue()
    q._messages = [message("a", delayed_until=5 * SECOND)]
    assert take(q, 4 * SECOND) == []
    assert next_visible_ms(q, 4 * SECOND) == 5 * SECOND
    assert take(q, 5 * SECOND) == ["a"]


def test_what_was_received_too_often_moves_and_tells() -> None:
    q, dead = queue(), queue()
    q.dead_letter_queue, q.redrive_policy = dead, {"maxReceiveCount": 2}
    q._messages = [message("a")]
    told: list[Any] = []
    for now in (0.0, 30 * SECOND, 60 * SECOND):
        receive_messages(q, 10, now, told.append)
    assert (q._messages, [m.id for m in dead._messages], told) == ([], ["a"], [dead])


def test_what_is_older_than_the_retention_is_dropped() -> None:
    q = queue(MessageRetentionPeriod=60)
    q._messages = [message("a", sent=0.0)]
    assert take(q, 61 * SECOND) == []
    assert q._messages == []


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "?"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"other": "b"}]}, {"a", "b"}),
        ({"batchItemFailures": "b"}, {"a", "b"}),
        ("text", {"a", "b"}),
    ],
)
def test_a_partial_batch_response(answer: Any, failed: set[str]) -> None:
    assert failed_ids(json.dumps(answer).encode(), ["a", "b"]) == failed
