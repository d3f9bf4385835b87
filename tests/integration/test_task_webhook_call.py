"""WEBHOOK_CALL against a real receiver: what it sends, and what each kind of answer makes of the task."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from functions.core.states import State
from functions.core.task import Document
from functions.tasks.webhook_call import Webhook as Payload
from functions.tasks.webhook_call import webhook_call
from tests.integration.api import Api
from tests.integration.receiver import Reply, receiver
from tests.integration.scene import ID, Scene


@pytest.fixture
def call(scene: Scene) -> Any:
    """`call(url, **payload)` runs one attempt of a webhook, and returns the task."""
    scene.add(webhook_call)

    def one(url: str, *, timeout: int = 30, **payload: Any) -> Any:
        scene.put(type="WEBHOOK_CALL", payload=Document(json.dumps({"url": url} | payload)), timeout_seconds=timeout)
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
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", 10),
    ],
)
def test_retry_after_is_honoured(call: Any, scene: Scene, value: str, seconds: int) -> None:
    """As a date it counts from the receiver's own Date; what cannot be read leaves it to the policy."""
    with receiver(Reply(429, {"Retry-After": value})) as there:
        task = call(there.url)
    assert task.available_at == scene.clock.now + seconds * 1000
    assert "answered 429" in str(task.history[0].error)


UNREADABLE = [
    b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
    b"Content-Length: 10\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("rest", UNREADABLE)
@pytest.mark.parametrize(
    ("status", "state"), [(200, State.SUCCESS), (410, State.FAILED), (503, State.RETRY), (307, State.RETRY)]
)
def test_an_answer_that_cannot_be_read_is_what_its_status_says(
    call: Any, status: int, state: State, rest: bytes
) -> None:
    with receiver(Reply(raw=b"HTTP/1.1 %d X\r\n" % status + rest)) as there:
        assert call(there.url).state is state
    assert len(there.got) == 1


def test_a_body_that_never_comes_is_an_empty_one(call: Any) -> None:
    with receiver(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", hang=True)) as there:
        task = call(there.url, timeout=2)
    assert (task.state, json.loads(task.result.inline)) == (State.SUCCESS, {"status": 200, "body": ""})


def test_an_interim_answer_is_not_the_answer(call: Any) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with receiver(Reply(raw=early)) as there:
        assert call(there.url).state is State.SUCCESS


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


@pytest.mark.parametrize("seconds", [1, 1.0])
def test_a_time_out_in_which_it_can_send_nothing_is_refused(seconds: float, api: Api) -> None:
    node = {"type": "webhook", "payload": {"url": "https://a.example/"}, "timeoutSeconds": seconds}
    alone = api("POST", "/tasks", node)
    assert (alone.status, alone.body["errors"][0]["field"]) == (422, "timeoutSeconds")
    assert "at least 2 for WEBHOOK_CALL" in alone.body["errors"][0]["message"]
    run = api("POST", "/workflows", {"nodes": {"a": node}})
    assert (run.status, run.body["errors"][0]["field"]) == (422, "nodes.a.timeoutSeconds")
    schedule = api("POST", "/schedules", {"rate": "1 day", "task": node})
    assert (schedule.status, schedule.body["errors"][0]["field"]) == (422, "task.timeoutSeconds")
    assert api("POST", "/tasks", node | {"timeoutSeconds": 2}).status == 201


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_request_is_followed(call: Any, status: int) -> None:
    given = {"Authorization": "secret", "X-Mine": "1", "X-Api-Key": "2"}
    with receiver() as final, receiver(Reply(status, {"Location": f"{final.url}/new"})) as there:
        task = call(there.url, body=[1], headers=given)
    assert task.state is State.SUCCESS
    [got] = final.got
    assert (got.method, got.path, got.body) == ("POST", "/new", b"[1]")
    assert not set(given) & set(got.headers), "another host's"
    assert (got.headers["Idempotency-Key"], got.headers["Content-Type"]) == (ID, "application/json")


def test_redirects_in_a_circle_end(call: Any) -> None:
    with receiver(Reply(307, {"Location": "/"})) as there:
        task = call(there.url)
    assert task.state is State.RETRY
    assert len(there.got) == 4


@pytest.mark.parametrize("reach", ["public", "any"])
def test_where_this_deployment_calls_nobody_it_fails_for_good(
    call: Any, reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda's Runtime API is on the loopback: a call to it would end other invocations."""
    monkeypatch.setenv("WEBHOOK_REACH", reach)
    with receiver() as there:
        task = call(f"{there.url}/2018-06-01/runtime/init/error")
    assert (task.state, task.history[0].error_type) == (State.FAILED, "ReceiverRefusedError")
    assert there.got == []


def test_with_a_secret_it_is_signed_as_notifications_are(call: Any, scene: Scene, default_secret: str) -> None:
    with receiver() as there:
        call(there.url, body={"a": "ü"}, secret="default")
    [got] = there.got
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (ID, str(scene.clock.now // 1000))
    expected = Webhook(default_secret).sign(ID, datetime.fromtimestamp(scene.clock.now // 1000, UTC), got.body.decode())
    assert headers["webhook-signature"] == expected


def test_without_a_secret_it_is_not_signed(call: Any, scene: Scene, default_secret: str) -> None:
    with receiver() as there:
        call(there.url, body={})
    assert not [name for name in there.got[0].headers if name.lower().startswith("webhook-")]
    assert [name for name in scene.aws.called() if name.startswith("secretsmanager")] == []


def test_a_secret_that_is_missing_is_tried_again_and_nothing_is_sent(call: Any) -> None:
    with receiver() as there:
        task = call(there.url, secret="partner")
    assert (task.state, task.history[0].error_type) == (State.RETRY, "SecretUnusable")
    assert there.got == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, body=b"Cannot POST /services/s3cr3t-token?key=s3cr3t-key"),
        Reply(500, body=b"no s3cr3t-token"),
        Reply(307, {"Location": "/services/s3cr3t-token"}),
        Reply(raw=b"nonsense\r\n\r\n"),
        Reply(),
    ],
)
def test_nothing_that_is_kept_or_logged_says_more_of_the_url_than_its_origin(
    call: Any, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="taskyard")
    with receiver(reply) as there:
        task = call(f"{there.url}/services/s3cr3t-token?key=s3cr3t-key")
        origin = there.url
    kept = json.dumps([[attempt.error, *attempt.log] for attempt in task.history] + list(task.log))
    assert origin in kept
    assert "s3cr3t" not in kept
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    "payload",
    [
        {"url": "ftp://a/b"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "nonsense"},
        {"url": "http://u:p@a/"},
        {"url": "http://a:99999/"},
        {"url": "http://bücher.example/"},
        {"url": "http://a/", "method": "GET"},
        {"url": "http://a/", "method": "POST\r\nX: y"},
        {"url": "http://a/", "headers": {"X\r\nY": "1"}},
        {"url": "http://a/", "headers": {"X": "1\r\nY: 2"}},
        {"url": "http://a/", "headers": {"Host": "b"}},
        {"url": "http://a/", "headers": {"Content-Length": "1"}},
        {"url": "http://a/", "headers": {"Transfer-Encoding": "chunked"}},
        {"url": "http://a/", "secret": "../other"},
        {"url": "http://a/", "secret": "a", "headers": {"Webhook-Signature": "v1,x"}},
        {"url": "http://a/", "more": 1},
        {},
    ],
)
def test_payloads_that_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Payload.model_validate(payload)


def test_a_host_that_is_not_ascii_is_refused_with_its_punycode(api: Api) -> None:
    answer = api("POST", "/tasks", {"type": "WEBHOOK_CALL", "payload": {"url": "https://bücher.example/"}})
    assert answer.status == 422
    [error] = answer.body["errors"]
    assert error["field"] == "payload.url"
    assert error["message"].endswith("write the host in punycode: xn--bcher-kva.example")
