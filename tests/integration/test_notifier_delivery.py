"""Attempts of one notification, to a receiver that answers as it likes. Signatures are verified by the library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks.webhooks
from standardwebhooks import Webhook
from taskyard.tasks.http import HttpRequest, HttpResponse

from functions.core.states import State
from functions.core.task import Document
from functions.http.client import Client
from functions.notifier.delivery import RETRY_WINDOW_MS, AskedToWaitError, NotDeliveredError
from functions.notifier.handler import handler
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud, event
from tests.integration.conftest import Clock
from tests.integration.notifications import Machine
from tests.integration.receiver import Receiver, Reply, receiver
from tests.integration.scene import ID, Scene, metrics


@pytest.fixture
def got() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


@pytest.fixture(autouse=True)
def library_time(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """The library refuses what is five minutes off: by the test's clock."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(clock.now / 1000, tz or UTC)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Frozen)


def settled(scene: Scene, to: dict[str, Any], **fields: Any) -> str:
    """A task that has succeeded and told it. Returns the execution's name."""
    scene.put(notify=(to,), **fields)
    assert scene.deliver(scene.message()) == []
    return f"{ID}-1-{scene.task().ended_at}-0"


def shown(scene: Scene) -> dict[str, Any]:
    [entry] = Api(scene.aws).get(ID)["notifications"]
    return dict(entry)


def test_it_is_delivered_signed(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    name = settled(scene, {"webhook": got.url + "/in?token=1"})
    assert shown(scene)["state"] == "PENDING"
    assert machine.attempt(name) == "DELIVERED"
    [request] = got.got
    assert (request.method, request.path) == ("POST", "/in?token=1")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == got.url.removeprefix("http://")
    body = Webhook(default_secret).verify(request.body, request.headers)
    assert request.headers["webhook-id"] == name
    assert body["type"] == "task.succeeded"
    assert (body["data"]["id"], body["data"]["state"]) == (ID, "SUCCESS")
    entry = shown(scene)
    assert (entry["state"], entry["attempts"], entry["status"], entry["error"]) == ("DELIVERED", 1, 200, None)
    assert entry["to"] == got.url


def test_failures_then_success(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got.replies[:] = [
        Reply(500, body=b"out of\norder"),
        Reply(503),
        Reply(302, {"Location": "/other"}),
        Reply(204, body=b""),
    ]
    name = settled(scene, {"webhook": got.url})
    began = scene.clock.now
    with pytest.raises(NotDeliveredError, match="answered 500: out of order"):
        machine.attempt(name)
    counted = metrics(capsys.readouterr().out)
    assert (counted["NotificationRetried"], "NotifierErrors" in counted) == (1, False)
    entry = shown(scene)
    assert (entry["state"], entry["attempts"], entry["status"]) == ("PENDING", 1, 500)
    assert machine.run(name) == "DELIVERED"
    assert scene.clock.now - began == (5 + 10) * 1000, "the first was before, two pauses after"
    assert {request.path for request in got.got} == {"/"}, "redirects are not followed"
    assert len({request.headers["webhook-id"] for request in got.got}) == 1
    assert len({request.body for request in got.got}) == 1
    for request in got.got[-1:]:
        Webhook(default_secret).verify(request.body, request.headers)
    assert got.got[0].headers["webhook-timestamp"] != got.got[-1].headers["webhook-timestamp"]
    assert (shown(scene)["state"], shown(scene)["attempts"]) == ("DELIVERED", 4)


def test_what_it_fails_at_itself_is_counted_apart(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="unknown step"):
        handler(event("notifier", "give_up") | {"step": "dance"}, None)
    assert metrics(capsys.readouterr().out) == {"NotifierErrors": 1}


def test_after_a_day_it_is_undeliverable_and_listed(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got.replies[:] = [Reply(500)]
    name = settled(scene, {"webhook": got.url + "/secret-path"})
    began, before = scene.clock.now, scene.task()
    assert machine.run(name) == "UNDELIVERABLE"
    assert scene.clock.now - began >= RETRY_WINDOW_MS
    assert 30 <= len(got.got) <= 34
    assert metrics(capsys.readouterr().out)["NotificationUndeliverable"] == 1
    [listed] = Api(scene.aws)("GET", "/notifications", query={"state": "UNDELIVERABLE"}).body["notifications"]
    assert (listed["of"], listed["id"], listed["state"]) == ("task", ID, "UNDELIVERABLE")
    assert (listed["attempts"], listed["status"]) == (len(got.got), 500)
    assert "secret-path" not in json.dumps(listed)
    assert scene.task() == before, "the task is as it was"


def test_gone_is_gone(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    got.replies[:] = [Reply(410)]
    name = settled(scene, {"webhook": got.url})
    assert machine.attempt(name) == "UNDELIVERABLE"
    assert (shown(scene)["state"], shown(scene)["status"]) == ("UNDELIVERABLE", 410)


def test_what_is_final_is_not_done_again(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    name = settled(scene, {"webhook": got.url})
    assert [machine.attempt(name) for _ in range(2)] == ["DELIVERED"] * 2
    assert machine.give_up(name, "Lambda.Unknown") == "DELIVERED"
    assert len(got.got) == 1


def test_a_wait_that_is_asked_for_is_granted(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str
) -> None:
    got.replies[:] = [Reply(429, {"Retry-After": "120"}), Reply()]
    name = settled(scene, {"webhook": got.url})
    began = scene.clock.now
    with pytest.raises(AskedToWaitError, match=r"^2026-02-02T02:42:00\.000Z$"):
        machine.attempt(name)
    scene.clock.now = began
    assert machine.run(name) == "DELIVERED"


def test_a_wait_shorter_than_our_own_pause_is_not(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str
) -> None:
    got.replies[:] = [Reply(429, {"Retry-After": "1"})]
    name = settled(scene, {"webhook": got.url})
    with pytest.raises(NotDeliveredError):
        machine.attempt(name)


def test_a_wait_ends_with_the_day(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    got.replies[:] = [Reply(503, {"Retry-After": "9999999"})]
    name = settled(scene, {"webhook": got.url})
    began = scene.clock.now
    assert machine.run(name) == "UNDELIVERABLE"
    assert len(got.got) == 2
    assert scene.clock.now - began == RETRY_WINDOW_MS


def test_an_attempt_is_on_record_before_it_is_made(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function is cut off at its limit in the middle of it: no line of its own runs after the call."""
    name = settled(scene, {"webhook": got.url})
    on_record: list[Any] = []

    class Cut(BaseException):
        pass

    def send(self: Client, request: HttpRequest, *, seconds: float) -> HttpResponse:
        on_record.append(shown(scene))
        raise Cut

    monkeypatch.setattr(Client, "send", send)
    for attempts in (1, 2):
        with pytest.raises(Cut):
            machine.attempt(name)
        assert on_record[-1]["attempts"] == shown(scene)["attempts"] == attempts
    assert shown(scene)["state"] == "PENDING"
    assert machine.give_up(name, "Sandbox.Timedout") == "UNDELIVERABLE"
    assert (shown(scene)["attempts"], "Sandbox.Timedout" in shown(scene)["error"]) == (2, True)


def test_an_attempt_is_on_record_before_its_secret_is_read(scene: Scene, machine: Machine) -> None:
    name = settled(scene, {"webhook": "http://127.0.0.1:1/"})
    with pytest.raises(NotDeliveredError, match="there is none"):
        machine.attempt(name)
    assert shown(scene)["attempts"] == 1


@pytest.mark.parametrize(
    "value", ["Wed, 21 Oct 2015 07:28:00 +99999999999999999999", "-1", "NaN", "Mon, 02 Feb 2026 02:45:00"]
)
def test_an_odd_retry_after_is_ignored(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, value: str
) -> None:
    got.replies[:] = [Reply(503, {"Retry-After": value})]
    name = settled(scene, {"webhook": got.url})
    with pytest.raises(NotDeliveredError, match="answered 503"):
        machine.attempt(name)
    assert (shown(scene)["attempts"], shown(scene)["status"]) == (1, 503)


@pytest.mark.parametrize(
    ("raw", "state", "status"),
    [
        (b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 204 Done\r\n\r\n", "DELIVERED", 204),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "DELIVERED", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "DELIVERED", 200),
        (b"HTTP/1.1 410 Gone\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "UNDELIVERABLE", 410),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\n", "UNDELIVERABLE", 410),
    ],
)
def test_the_status_decides_whatever_comes_with_it(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, raw: bytes, state: str, status: int
) -> None:
    got.replies[:] = [Reply(raw=raw)]
    assert machine.attempt(settled(scene, {"webhook": got.url})) == state
    assert (shown(scene)["status"], shown(scene)["attempts"]) == (status, 1)


def test_what_the_receiver_repeats_of_the_path_is_not_told(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    got.replies[:] = [Reply(404, body=b"Cannot POST /services/s3cr3t-token")]
    name = settled(scene, {"webhook": got.url + "/services/s3cr3t-token"})
    with pytest.raises(NotDeliveredError) as error:
        machine.attempt(name)
    assert "s3cr3t" not in f"{error.value}{shown(scene)}{caplog.text}"
    assert "Cannot POST" in str(error.value)


def test_nobody_there_is_tried_again(scene: Scene, machine: Machine, default_secret: str) -> None:
    with receiver() as closed:
        url = closed.url
    name = settled(scene, {"webhook": url})
    with pytest.raises(NotDeliveredError, match=r"127\.0\.0\.1 cannot be reached"):
        machine.attempt(name)
    assert shown(scene)["status"] is None


def test_where_it_may_not_go_it_is_given_up(
    scene: Scene, machine: Machine, default_secret: str, monkeypatch: pytest.MonkeyPatch, got: Receiver
) -> None:
    from tests.integration import cloud

    monkeypatch.setenv("WEBHOOK_REACH", "public")
    cloud.forget_processes()
    name = settled(scene, {"webhook": got.url.replace("http:", "https:")})
    assert machine.attempt(name) == "UNDELIVERABLE"
    assert "where this deployment calls nobody" in shown(scene)["error"]
    assert got.got == []


def test_metadata_is_called_nowhere(scene: Scene, machine: Machine, default_secret: str) -> None:
    name = settled(scene, {"webhook": "http://169.254.169.254/latest/meta-data/"})
    assert machine.attempt(name) == "UNDELIVERABLE"


def test_a_large_result_is_read_when_it_is_told(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str
) -> None:
    scene.handle("NOTE", lambda ctx, payload: {"text": "é" * 5000})
    name = settled(scene, {"webhook": got.url})
    assert "result_ref" in machine.started()[name]
    machine.attempt(name)
    assert json.loads(got.got[0].body)["data"]["result"] == {"text": "é" * 5000}


def test_one_that_is_too_large_is_left_out(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    scene.handle("NOTE", lambda ctx, payload: "x" * 70_000)
    name = settled(scene, {"webhook": got.url})
    machine.attempt(name)
    data = json.loads(got.got[0].body)["data"]
    assert data["omitted"] == ["result"]
    assert "result" not in data


def test_mail(scene: Scene, machine: Machine) -> None:
    name = settled(scene, {"email": "night@example.com"})
    assert machine.attempt(name) == "DELIVERED"
    [sent] = [call.parameters for call in scene.aws.calls if call.name == "ses.SendEmail"]
    assert sent["Destination"] == {"ToAddresses": ["night@example.com"]}
    assert sent["Message"]["Subject"]["Data"] == f"Task NOTE succeeded: {ID}"
    assert f"Task {ID} ended as SUCCESS." in sent["Message"]["Body"]["Text"]["Data"]
    assert shown(scene)["to"] == "night@example.com"


def test_recipients_are_masked_in_logs(scene: Scene, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    name = settled(scene, {"email": "night@example.com"})
    with caplog.at_level("DEBUG", logger="taskyard"):
        assert machine.attempt(name) == "DELIVERED"
    assert [record.to for record in caplog.records if hasattr(record, "to")] == ["n***@example.com"]


def test_mail_that_ses_refuses_is_given_up(scene: Scene, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.integration import cloud

    monkeypatch.setenv("MAIL_FROM", "unverified@example.org")
    cloud.forget_processes()
    name = settled(scene, {"email": "night@example.com"})
    assert machine.attempt(name) == "UNDELIVERABLE"
    assert "SES refused" in shown(scene)["error"]


def test_what_the_machine_gives_up_is_listed_with_its_reason(
    scene: Scene, machine: Machine, got: Receiver, default_secret: str
) -> None:
    name = settled(scene, {"webhook": got.url})
    assert machine.give_up(name, "Runtime.ImportModuleError") == "UNDELIVERABLE"
    entry = shown(scene)
    assert (entry["state"], entry["attempts"]) == ("UNDELIVERABLE", 0)
    assert "Runtime.ImportModuleError" in entry["error"]


@pytest.mark.parametrize("name", ["deliver_webhook", "deliver_email", "deliver_workflow", "deliver_result", "give_up"])
def test_the_events_of_the_folder_are_understood(aws: Cloud, clock: Clock, name: str, got: Receiver) -> None:
    given = event("notifier", name)
    if "webhook" in given["notification"]["to"]:
        given["notification"]["to"]["webhook"] = got.url
        secret = given["notification"]["to"].get("secret", "default")
        path = f"{aws.env['WEBHOOK_SECRETS']}/{TENANT}/{secret}"
        aws.client("secretsmanager").create_secret(Name=path, SecretString="c2VjcmV0IG9mIGEgdGVzdCwgMjQgYnl0ZXM=")
    assert aws.invoke("notifier", given)["state"] == ("UNDELIVERABLE" if name == "give_up" else "DELIVERED")


def test_retention_takes_it_with_the_task(scene: Scene, machine: Machine, got: Receiver, default_secret: str) -> None:
    name = settled(scene, {"webhook": got.url})
    machine.attempt(name)
    [item] = [item for item in scene.aws.items() if item["sk"]["S"].startswith("NOTIFICATION#")]
    assert int(item["expiresAt"]["N"]) == scene.task().expires_at
    assert scene.task().state is State.SUCCESS
    assert scene.task().payload == Document("{}")
