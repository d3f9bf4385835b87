"""SQS event sources: batches, partial failures, visibility, redrive, delays, on the virtual clock."""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.system import LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


@pytest.fixture
def message(tiny: LocalSystem) -> str:
    """An id of this test's own message."""
    assert tiny.settle()
    return uuid.uuid4().hex


def send(tiny: LocalSystem, id: str, *, delay: int = 0, **body: Any) -> None:
    tiny.aws("sqs").send_message(
        QueueUrl=tiny.stack.reference("Queue", None), MessageBody=json.dumps({"id": id, **body}), DelaySeconds=delay
    )


def seen(tiny: LocalSystem, id: str, kind: str = "SEEN") -> list[dict[str, Any]]:
    answer = tiny.aws("dynamodb").query(
        TableName="Tiny-Table",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"{kind}#{id}"}},
    )
    items: list[dict[str, Any]] = answer["Items"]
    return items


def depth(tiny: LocalSystem, queue: str = "Queue") -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = tiny.stack.reference(queue, None)
    attributes = tiny.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def test_a_message_is_delivered_once_and_deleted(tiny: LocalSystem, message: str) -> None:
    send(tiny, message)
    tiny.settle()
    assert [item["sk"]["S"] for item in seen(tiny, message)] == ["1"]
    assert depth(tiny) == 0


def test_messages_sent_together_share_batches_of_at_most_ten(tiny: LocalSystem, message: str) -> None:
    tiny.usage.reset()
    entries = [{"Id": str(i), "MessageBody": json.dumps({"id": f"{message}{i}"})} for i in range(10)]
    for _ in range(2):
        tiny.aws("sqs").send_message_batch(QueueUrl=tiny.stack.reference("Queue", None), Entries=entries)
    tiny.settle()
    sizes = [int(seen(tiny, f"{message}{i}")[0]["batch"]["N"]) for i in range(10)]
    assert max(sizes) == 10
    received = tiny.usage.calls["worker/poller", "sqs", "ReceiveMessage"]
    assert received == tiny.usage.calls["worker/poller", "sqs", "DeleteMessageBatch"]
    assert received < 20


@pytest.mark.parametrize("do", ["raise", "exit", "hang", "nonsense"])
def test_a_batch_that_fails_comes_again_when_its_visibility_ends(tiny: LocalSystem, message: str, do: str) -> None:
    send(tiny, message, do=do, times=1)
    tiny.clock.advance(9.5)
    assert [item["sk"]["S"] for item in seen(tiny, message)] == ["1"]
    tiny.clock.advance(1)
    assert [item["sk"]["S"] for item in seen(tiny, message)] == ["1", "2"]
    assert depth(tiny) == 0


def test_of_a_batch_only_the_failed_items_come_again(tiny: LocalSystem, message: str) -> None:
    bodies = [{"id": f"{message}good"}, {"id": f"{message}bad", "do": "fail", "times": 1}]
    entries = [{"Id": str(i), "MessageBody": json.dumps(body)} for i, body in enumerate(bodies)]
    tiny.aws("sqs").send_message_batch(QueueUrl=tiny.stack.reference("Queue", None), Entries=entries)
    tiny.clock.advance(11)
    assert len(seen(tiny, f"{message}good")) == 1
    assert len(seen(tiny, f"{message}bad")) == 2


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(tiny: LocalSystem, message: str) -> None:
    send(tiny, message, do="raise")
    tiny.clock.advance(60)
    assert [item["sk"]["S"] for item in seen(tiny, message)] == ["1", "2", "3"]
    assert len(seen(tiny, message, "DEAD")) == 1
    assert depth(tiny) == depth(tiny, "Dead") == 0


def test_a_delayed_message_is_delivered_at_its_time(tiny: LocalSystem, message: str) -> None:
    sent = tiny.clock.now()
    send(tiny, message, delay=900)
    tiny.clock.advance(899)
    assert seen(tiny, message) == []
    tiny.clock.advance(60)
    assert 900 <= float(seen(tiny, message)[0]["at"]["S"]) - sent < 902


def test_a_jump_without_steps_makes_what_is_on_the_way_late(tiny: LocalSystem, message: str) -> None:
    sent = tiny.clock.now()
    send(tiny, message, delay=60)
    tiny.clock.advance(600, step=False)
    tiny.settle()
    assert float(seen(tiny, message)[0]["at"]["S"]) - sent >= 600


class Receiver(ThreadingHTTPServer):
    """Holds each request until `expected` are here at once, and some time more; counts how many there ever were."""

    def __init__(self, expected: int) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.hold()
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.expected, self.present, self.most, self.total = expected, 0, 0, 0
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hold(self) -> None:
        with self.changed:
            self.present, self.total = self.present + 1, self.total + 1
            self.most = max(self.most, self.present)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.expected, timeout=10)
        time.sleep(0.2)
        with self.changed:
            self.present -= 1


@pytest.mark.parametrize(("queue", "limit"), [("LimitedQueue", 3), ("ReservedQueue", 1)])
def test_a_function_never_runs_more_often_at_once_than_its_limit(tiny: LocalSystem, queue: str, limit: int) -> None:
    with Receiver(limit) as receiver:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        for _ in range(3 * limit + 1):
            tiny.aws("sqs").send_message(
                QueueUrl=tiny.stack.reference(queue, None), MessageBody=json.dumps({"url": url})
            )
        assert tiny.settle()
        receiver.shutdown()
    assert (receiver.most, receiver.total) == (limit, 3 * limit + 1)
