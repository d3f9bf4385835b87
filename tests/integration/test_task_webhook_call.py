"""WEBHOOK_CALL against a real receiver: what it sends, and what each kind of answer makes of the task."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from functions.core.states import State
from functions.core.task import Text
from functions.tasks.webhook_call import Webhook, redirected, retry_after, webhook_call
from tests.integration.receiver import Reply, receiver
from tests.integration.scene import ID, Scene


@pytest.fixture
def call(scene: Scene) -> Any:
    """`call(url, **payload)` runs one attempt of a webhook, and returns the task."""
    scene.types["WEBHOOK_CALL"] = webhook_call.__task_type__  # type: ignore[attr-defined]

    def one(url: str, *, timeout: int = 30, **payload: Any) -> Any:
        scene.put(type="WEBHOOK_CALL", payload=Text(json.dumps({"url": url} | payload)), timeout_seconds=timeout)
        assert scene.deliver(scene.message(timeout=timeout)) == []
        return scene.task()

    return one


def test_it_posts_json_and_keeps_the_answer(call: Any) -> None:
    with receiver(Reply(201, body="gut gemacht, ünd so".encode())) as there:
        task = call(f"{there.url}/hook?a=b", body={"order": 7, "name": "Zoë"}, headers={"X-Mine": "1"})
    assert task.state is State.SUCCESS
    assert json.loads(task.result.inline) == {"status": 201, "body": "gut gemacht, ünd so"}
    [got] = there.got
    assert (got.method, got.path, json.loads(got.body)) == ("POST", "/hook?a=b", {"order": 7, "name": "Zoë"})
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Idempotency-Key"] == got.headers["X-Taskyard-Task-Id"] == ID
    assert (got.headers["X-Taskyard-Attempt"], got.headers["X-Mine"]) == ("1", "1")


def test_payload_is_another_word_for_body_and_headers_of_the_caller_win(call: Any) -> None:
    with receiver() as there:
        call(there.url, payload=[1], method="PUT", headers={"idempotency-key": "mine", "content-type": "a/b"})
    [got] = there.got
    assert (got.method, got.body) == ("PUT", b"[1]")
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert (headers["idempotency-key"], headers["content-type"]) == ("mine", "a/b")


def test_text_with_a_content_type_goes_as_it_is(call: Any) -> None:
    with receiver() as there:
        call(there.url, body="a=1&b=2", headers={"Content-Type": "application/x-www-form-urlencoded"})
        call(there.url)
    assert [got.body for got in there.got] == [b"a=1&b=2", b""]


def test_the_beginning_of_a_long_answer_is_kept(call: Any) -> None:
    with receiver(Reply(body=b"x" * 1_000_000)) as there:
        task = call(there.url)
    assert json.loads(task.result.inline) == {"status": 200, "body": "x" * 120}


@pytest.mark.parametrize("status", [301, 304, 408, 425, 429, 500, 503])
def test_these_are_tried_again(call: Any, scene: Scene, status: int) -> None:
    with receiver(Reply(status, body=b"" if status == 304 else b"busy"), Reply()) as there:
        assert call(there.url).state is State.RETRY
        scene.clock.advance(10)
        assert scene.deliver_sent() == []
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    assert task.history[0].error_type == "ReceiverFailedError"
    assert f"answered {status}" in str(task.history[0].error)
    assert [got.headers["Idempotency-Key"] for got in there.got] == [ID, ID]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_these_are_permanent(call: Any, status: int) -> None:
    with receiver(Reply(status, body=b"no such hook")) as there:
        task = call(there.url)
    assert task.state is State.FAILED
    assert "no such hook" in str(task.history[0].error)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Mon, 02 Feb 2026 02:42:00 GMT", 120),
        ("Mon, 02 Feb 2026 02:30:00 GMT", 0),
        ("soon", 10),
    ],
)
def test_retry_after_is_honoured(call: Any, scene: Scene, value: str, seconds: int) -> None:
    """As a date it counts from the receiver's own Date; what cannot be read leaves it to the policy."""
    with receiver(Reply(429, {"Retry-After": value})) as there:
        task = call(there.url)
    assert task.available_at == scene.clock.now + seconds * 1000


def test_retry_after_without_a_date_of_the_receivers_counts_from_now() -> None:
    assert retry_after({"Retry-After": "Mon, 02 Feb 2026 02:42:00 GMT"}, now=1_770_000_000) == 120


def test_a_receiver_that_is_not_there_is_tried_again(call: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        task = call(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (task.state, task.history[0].error_type) == (State.RETRY, "ReceiverFailedError")


def test_a_receiver_that_hangs_ends_with_the_attempt_and_not_with_the_process(call: Any) -> None:
    with receiver(Reply(hang=True)) as there:
        task = call(there.url, timeout=2)
    assert (task.state, task.history[0].error_type) == (State.RETRY, "ReceiverFailedError")
    assert "Timeout" in str(task.history[0].error)


def test_without_time_it_does_not_begin(call: Any) -> None:
    with receiver() as there:
        task = call(there.url, timeout=1)
    assert "no time left" in str(task.history[0].error)
    assert there.got == []


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_request_is_followed(call: Any, status: int) -> None:
    with receiver() as final, receiver(Reply(status, {"Location": f"{final.url}/new"})) as there:
        task = call(there.url, body=[1], headers={"Authorization": "secret", "X-Mine": "1"})
    assert task.state is State.SUCCESS
    [got] = final.got
    assert (got.method, got.path, got.body) == ("POST", "/new", b"[1]")
    assert "Authorization" not in got.headers, "another host's"
    assert got.headers["X-Mine"] == "1"


def test_redirects_in_a_circle_end(call: Any) -> None:
    with receiver(Reply(307, {"Location": "/"})) as there:
        task = call(there.url)
    assert task.state is State.RETRY
    assert len(there.got) == 4


@pytest.mark.parametrize(
    ("url", "location", "following"),
    [
        ("http://a/x", "https://a/y", "https://a/y"),
        ("https://a/x", "/y", "https://a/y"),
        ("https://a/x", "http://a/y", None),
        ("http://a/x", "ftp://a/y", None),
        ("http://a/x", "file:///etc/passwd", None),
        ("http://a/x", "http://u:p@b/", None),
        ("http://a/x", None, None),
    ],
)
def test_redirects_stay_on_the_web(url: str, location: str | None, following: str | None) -> None:
    assert redirected(url, 307, location) == following
    assert redirected(url, 302, location) is None


@pytest.mark.parametrize(
    "payload",
    [
        {"url": "ftp://a/b"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "nonsense"},
        {"url": "http://u:p@a/"},
        {"url": "http://a:99999/"},
        {"url": "http://a/", "method": "GET"},
        {"url": "http://a/", "headers": {"X\r\nY": "1"}},
        {"url": "http://a/", "headers": {"X": "1\r\nY: 2"}},
        {"url": "http://a/", "headers": {"Host": "b"}},
        {"url": "http://a/", "headers": {"Transfer-Encoding": "chunked"}},
        {"url": "http://a/", "more": 1},
        {},
    ],
)
def test_payloads_that_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Webhook.model_validate(payload)
