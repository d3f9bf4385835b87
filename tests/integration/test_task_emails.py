"""SEND_EMAIL and welcome-email: one mail a task at the most, and what SES's answers make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber
from pydantic import ValidationError
from taskyard.tasks.errors import Permanent

from functions.aws.clients import client
from functions.core.errors import InvalidRequest
from functions.core.states import State
from functions.core.task import Document
from functions.runtime import wiring
from functions.tasks.send_email import Email, send_email
from functions.tasks.welcome_email import Welcome, welcome_email
from tests.integration.api import Api
from tests.integration.cloud import Cloud
from tests.integration.scene import Scene

MAIL = {"to": "a@example.com", "subject": "Hello", "content": "<h1>Hi</h1>", "from": "taskyard@example.com"}


@pytest.fixture(autouse=True)
def types(scene: Scene) -> None:
    scene.add(send_email)
    scene.add(welcome_email)


def run(scene: Scene, kind: str, payload: dict[str, Any], *, generation: int = 1) -> Any:
    if generation == 1:
        scene.put(type=kind, payload=Document(json.dumps(payload)))
    assert scene.deliver(scene.message(generation=generation)) == []
    return scene.task()


def sent(scene: Scene) -> list[dict[str, Any]]:
    return [dict(call.parameters) for call in scene.aws.calls if call.name == "ses.SendEmail"]


def test_a_mail_is_sent_and_its_id_kept(scene: Scene) -> None:
    task = run(scene, "SEND_EMAIL", MAIL)
    assert task.state is State.SUCCESS, task.history
    [mail] = sent(scene)
    assert mail["Source"] == "taskyard@example.com"
    assert mail["Destination"] == {"ToAddresses": ["a@example.com"]}
    assert mail["Message"]["Subject"]["Data"] == "Hello"
    assert mail["Message"]["Body"] == {"Html": {"Data": "<h1>Hi</h1>", "Charset": "UTF-8"}}
    assert json.loads(task.result.inline)["messageId"]


def test_without_a_body_the_subject_is_the_mail(scene: Scene) -> None:
    task = run(scene, "SEND_EMAIL", {"to": ["a@example.com", "b@example.com"], "subject": "Welcome"})
    assert task.state is State.SUCCESS
    [mail] = sent(scene)
    assert mail["Message"]["Body"] == {"Text": {"Data": "Welcome", "Charset": "UTF-8"}}
    assert mail["Source"] == "taskyard@example.com"


def test_welcome_email_greets_by_name_and_escapes(scene: Scene) -> None:
    payload = {"email": "Albert@example.com", "name": "Albert <b>", "message": "Congratulations & more!"}
    task = run(scene, "welcome-email", payload)
    assert task.state is State.SUCCESS
    [mail] = sent(scene)
    assert mail["Destination"] == {"ToAddresses": ["Albert@example.com"]}
    body = mail["Message"]["Body"]
    assert body["Text"]["Data"] == "Hello Albert <b>,\n\nCongratulations & more!\n"
    assert "<p>Hello Albert &lt;b&gt;,</p>" in body["Html"]["Data"]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("SEND_EMAIL", {"to": ["ada@example.com", "bob@example.com"], "subject": "s"}),
        ("welcome-email", {"email": "ada@example.com", "name": "Ada", "message": "m"}),
    ],
)
def test_recipients_are_masked_in_logs(
    scene: Scene, caplog: pytest.LogCaptureFixture, kind: str, payload: dict[str, Any]
) -> None:
    caplog.set_level("DEBUG", logger="taskyard")
    task = run(scene, kind, payload)
    assert task.state is State.SUCCESS
    for log in ("\n".join(task.log), caplog.text):
        assert "a***@example.com" in log
        assert "ada@" not in log
        assert "bob@" not in log


def test_a_sender_that_ses_refuses_fails_the_task(scene: Scene) -> None:
    task = run(scene, "SEND_EMAIL", MAIL | {"from": "unverified@example.org"})
    assert task.state is State.FAILED
    assert "SES refused the mail" in str(task.history[0].error)
    assert "stranger" not in str(task.history[0].error), "SES names the addresses that it does not like"


@pytest.mark.parametrize(
    "stranger", ["billing@example.com", "Taskyard@example.com", "taskyard@example.com.evil.org", "a@b,taskyard@b"]
)
def test_a_sender_that_is_not_allowed_is_refused_at_submit_and_again_when_it_sends(
    api: Api, aws: Cloud, stranger: str
) -> None:
    answer = api("POST", "/tasks", {"type": "SEND_EMAIL", "payload": MAIL | {"from": stranger}})
    assert answer.status == 422
    assert list(answer.fields) == ["payload.from"]
    mail = wiring.mail("taskyard@example.com", frozenset({"unverified@example.org"}))
    with pytest.raises(Permanent, match="no sender of this deployment"):
        mail.send(to=["a@example.com"], subject="s", text="t", html=None, sender=stranger)
    assert [call for call in aws.calls if call.name == "ses.SendEmail"] == []


@pytest.mark.parametrize("sender", ["taskyard@example.com", "unverified@example.org", None])
def test_a_sender_that_is_allowed_is_accepted(api: Api, sender: str | None) -> None:
    payload = {name: value for name, value in (MAIL | {"from": sender}).items() if value is not None}
    assert api("POST", "/tasks", {"type": "SEND_EMAIL", "payload": payload}).status == 201


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("AccountSendingPausedException", 400), ("TooManyRequestsException", 429)]
)
def test_a_throttled_mail_is_tried_again_because_nothing_was_sent(scene: Scene, code: str, status: int) -> None:
    ses = client("ses", attempts=1)
    with Stubber(ses) as stub:
        stub.add_client_error("send_email", code, http_status_code=status)
        task = run(scene, "SEND_EMAIL", MAIL)
        stub.assert_no_pending_responses()
    assert task.state is State.RETRY
    assert code in str(task.history[0].error)
    scene.clock.advance(10)
    assert run(scene, "SEND_EMAIL", MAIL, generation=2).state is State.SUCCESS


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://email.us-east-1.amazonaws.com"),
        ConnectTimeoutError(endpoint_url="https://email.us-east-1.amazonaws.com"),
    ],
)
def test_ses_that_was_not_reached_has_sent_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(client("ses", attempts=1), "send_email", raising(error))
        assert run(scene, "SEND_EMAIL", MAIL).state is State.RETRY
    scene.clock.advance(10)
    assert run(scene, "SEND_EMAIL", MAIL, generation=2).state is State.SUCCESS


def test_a_mail_whose_answer_was_lost_is_in_doubt_and_not_repeated(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ReadTimeoutError(endpoint_url="https://email.us-east-1.amazonaws.com")
    with monkeypatch.context() as patched:
        patched.setattr(client("ses", attempts=1), "send_email", raising(error))
        assert run(scene, "SEND_EMAIL", MAIL).state is State.RETRY
    scene.clock.advance(10)
    task = run(scene, "SEND_EMAIL", MAIL, generation=2)
    assert (task.state, task.history[-1].error_type) == (State.FAILED, "InDoubt")
    assert sent(scene) == []


def test_an_error_within_ses_is_in_doubt(scene: Scene) -> None:
    with Stubber(client("ses", attempts=1)) as stub:
        stub.add_client_error("send_email", "InternalFailure", http_status_code=500)
        assert run(scene, "SEND_EMAIL", MAIL).state is State.RETRY
        stub.assert_no_pending_responses()
    scene.clock.advance(10)
    assert run(scene, "SEND_EMAIL", MAIL, generation=2).history[-1].error_type == "InDoubt"


def test_botocore_does_not_send_a_mail_again_by_itself() -> None:
    assert client("ses", attempts=1).meta.config.retries["total_max_attempts"] == 1


def raising(error: Exception) -> Any:
    def call(**_: Any) -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "payload",
    [
        {"to": "nobody", "subject": "s"},
        {"to": [], "subject": "s"},
        {"to": ["a@b"] * 51, "subject": "s"},
        {"to": "a@b\nBcc: c@d", "subject": "s"},
        {"to": "a@b", "subject": ""},
        {"to": "a@b", "subject": "s", "cc": "c@d"},
        {"to": "a@b", "subject": "s", "from": "me"},
    ],
)
def test_payloads_that_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Email.model_validate(payload)


def test_a_welcome_needs_all_three() -> None:
    for missing in ("email", "name", "message"):
        payload = {"email": "a@b", "name": "n", "message": "m"}
        del payload[missing]
        with pytest.raises(ValidationError, match=missing):
            Welcome.model_validate(payload)


BREAKS = ["\r\n", "\n", "\r", "\x00", "\x0b", "\x1c", "\x7f", "\x85", "\u2028", "\u2029"]
PAYLOADS: list[tuple[str, dict[str, Any], str]] = [
    ("SEND_EMAIL", MAIL, "subject"),
    ("SEND_EMAIL", MAIL, "to"),
    ("SEND_EMAIL", MAIL | {"to": ["b@example.com"]}, "to"),
    ("SEND_EMAIL", MAIL, "from"),
    ("welcome-email", {"email": "a@example.com", "name": "Ada", "message": "m"}, "email"),
    ("welcome-email", {"email": "a@example.com", "name": "Ada", "message": "m"}, "name"),
]


@pytest.mark.parametrize("end", ["", "Bcc: everybody@example.com"], ids=["at the end", "within"])
@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize(("kind", "payload", "field"), PAYLOADS)
def test_mail_field_with_a_line_break_is_refused_by_name(
    scene: Scene, kind: str, payload: dict[str, Any], field: str, line_break: str, end: str
) -> None:
    value = payload[field]
    broken = [*value, value[0] + line_break + end] if isinstance(value, list) else value + line_break + end
    with pytest.raises(InvalidRequest) as refused:
        scene.types[kind].accept(payload | {field: broken})
    assert [error.field.partition("[")[0] for error in refused.value.errors] == [f"payload.{field}"]


def test_mail_body_may_have_lines(scene: Scene) -> None:
    scene.types["SEND_EMAIL"].accept(MAIL | {"content": "a\r\nb", "text": "a\nb"})
    scene.types["welcome-email"].accept({"email": "a@example.com", "name": "Ada É", "message": "a\nb"})


def test_subject_of_a_handlers_own_with_a_line_break_is_not_sent(scene: Scene) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        ctx.mail.send(to=["a@example.com"], subject="a\r\nBcc: b@example.com", text="t", html=None, sender=None)

    scene.handle("OWN", handler)
    assert run(scene, "OWN", {}).state is State.FAILED
    assert sent(scene) == []
