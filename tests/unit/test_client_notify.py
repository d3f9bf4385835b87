"""Notifications in the SDK and the command: whom to tell, with every kind of submit; how far it has come, shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from taskyard import (
    AsyncTaskyard,
    Backoff,
    EmailTarget,
    Notification,
    TaskSpec,
    Taskyard,
    WebhookTarget,
)
from taskyard.api.tasks import calls
from taskyard.api.workflows import calls as workflow_calls
from taskyard.cli import main

from tests.unit.client_fake import CREATED, URL, task_document

TOLD = [
    WebhookTarget("https://hooks.example.com/a,b", on="success", secret="partner"),
    EmailTarget("night@example.com", on="failure"),
    {"webhook": "https://as.it.is"},
]
SENT = [
    {"webhook": "https://hooks.example.com/a,b", "on": "success", "secret": "partner"},
    {"email": "night@example.com", "on": "failure"},
    {"webhook": "https://as.it.is"},
]
ENTRY = {
    "event": "1-1", "target": 0, "to": "https://hooks.example.com", "state": "PENDING", "attempts": 3, "status": 503,
    "error": "answered 503", "firstAttemptAt": CREATED, "lastAttemptAt": CREATED,
}  # fmt: skip
RUN = {
    "id": "w1", "name": "orders", "state": "SUCCESS", "nodeCount": 1, "edgeCount": 0, "counts": {}, "round": 1,
    "deadlineSeconds": 60, "nodes": [], "cursor": None,
}  # fmt: skip


class Api:
    """Answers every request with the same document. `bodies`: what came."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.paths: list[str] = []
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.raw_path.decode())
        self.bodies.append(json.loads(request.content) if request.content else None)
        return httpx.Response(200, json=self.document)

    def yard(self) -> Taskyard:
        return Taskyard(URL, "none", transport=httpx.MockTransport(self), backoff=Backoff(tries=1))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(api: Api, *argv: str) -> tuple[int, str]:
        return main(argv, lambda url, auth, tenant: api.yard()), capsys.readouterr().out

    return run


def test_every_kind_of_submit_sends_its_notify_targets() -> None:
    assert json.loads(calls.submit("X", notify=TOLD).request.body)["notify"] == SENT
    assert json.loads(workflow_calls.submit({"a": {"type": "X"}}, notify=TOLD).request.body)["notify"] == SENT
    result = {"results": [{"index": 0, "status": 201, "task": task_document()}]}
    api = Api(result)
    [outcome] = api.yard().submit_batch([TaskSpec(type="X", notify=TOLD)])
    assert outcome.ok
    assert api.bodies[0]["tasks"][0]["notify"] == SENT


def test_async_client_sends_notify_targets() -> None:
    async def run() -> None:
        tasks, runs = Api(task_document(notifications=[ENTRY])), Api(RUN | {"notifications": [ENTRY]})
        listed = Api({"notifications": [ENTRY | {"of": "task", "id": "t1"}], "cursor": None})
        for api in (tasks, runs, listed):
            async with AsyncTaskyard(URL, "none", transport=httpx.MockTransport(api)) as yard:
                if api is tasks:
                    assert (await yard.submit("X", notify=TOLD)).notifications[0].attempts == 3
                elif api is runs:
                    made = await yard.workflows.submit({"a": {"type": "X"}}, notify=TOLD)
                    assert made.notifications[0].state == "PENDING"
                else:
                    assert [one.id async for one in yard.undeliverable()] == ["t1"]
        assert tasks.bodies[0]["notify"] == runs.bodies[0]["notify"] == SENT

    asyncio.run(run())


def test_notifications_of_an_answer_are_typed() -> None:
    task = Api(task_document(notifications=[ENTRY])).yard().get("t1")
    [note] = task.notifications
    assert (note.to, note.state, note.attempts, note.status) == ("https://hooks.example.com", "PENDING", 3, 503)
    assert note.last_attempt_at == task.created_at
    waiting = {"event": None, "target": 1, "to": "a@b", "state": "WAITING", "attempts": 0, "firstAttemptAt": None}
    assert Notification.from_json(waiting).first_attempt_at is None


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://h/x?a=1,2", {"webhook": "https://h/x?a=1,2"}),
        ("https://h/x,on=failure", {"webhook": "https://h/x", "on": "failure"}),
        ("https://h/x,y,secret=s,on=both", {"webhook": "https://h/x,y", "on": "both", "secret": "s"}),
        ("ops@example.com,on=success", {"email": "ops@example.com", "on": "success"}),
    ],
)
def test_notify_option_accepts_every_field_of_a_target(shell: Any, written: str, sent: dict[str, str]) -> None:
    api = Api(task_document())
    assert shell(api, "submit", "X", "--notify", written, "--notify", "a@b", "--after", "t0")[0] == 0
    assert api.bodies == [{"type": "X", "notify": [sent, {"email": "a@b"}], "dependencies": ["t0"]}]


@pytest.mark.parametrize("written", ["", "nobody", "https://h,on=never", "a@b,secret=s"])
def test_invalid_notify_option_exits_2(shell: Any, written: str) -> None:
    api = Api(task_document())
    assert shell(api, "submit", "X", "--notify", written)[0] == 2
    assert api.bodies == []


def test_workflow_run_takes_notify_from_its_file_or_the_option(shell: Any, tmp_path: Any) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text("nodes: {a: {type: X}}\n")
    api = Api(RUN)
    assert shell(api, "workflow", "run", str(file), "--no-wait", "--notify", "a@b")[0] == 0
    assert api.bodies[0]["notify"] == [{"email": "a@b"}]
    file.write_text("nodes: {a: {type: X}}\nnotify: [{email: c@d}]\n")
    assert shell(api, "workflow", "run", str(file), "--no-wait")[0] == 0
    assert api.bodies[1]["notify"] == [{"email": "c@d"}]
    assert shell(api, "workflow", "run", str(file), "--notify", "a@b")[0] == 2
    assert len(api.bodies) == 2


def test_schedule_create_sends_notify_in_the_task(shell: Any) -> None:
    api = Api({"id": "s1", "paused": False, "nextTimes": [], "rate": "1 hour"})
    assert shell(api, "schedule", "create", "X", "--rate", "1 hour", "--notify", "a@b,on=failure")[0] == 0
    assert api.bodies[0]["task"] == {"type": "X", "notify": [{"email": "a@b", "on": "failure"}]}


def test_get_commands_show_notifications(shell: Any) -> None:
    delivered = ENTRY | {"state": "DELIVERED", "to": "ops@example.com", "status": None, "attempts": 1}
    _, out = shell(Api(task_document(notifications=[ENTRY, delivered])), "get", "t1")
    assert "notify        https://hooks.example.com  PENDING  tried 3 times, last" in out
    assert "answered 503" in out
    assert "notify        ops@example.com  DELIVERED" in out
    assert (
        "notify        https://hooks.example.com  PENDING"
        in shell(Api(RUN | {"notifications": [ENTRY]}), "workflow", "get", "w1")[1]
    )


def test_undeliverable_lists_notifications(shell: Any) -> None:
    entry = ENTRY | {"of": "workflow", "id": "w1", "state": "UNDELIVERABLE", "error": "\x1b[2Jgone"}
    api = Api({"notifications": [entry], "cursor": None})
    code, out = shell(api, "undeliverable", "--limit", "5")
    assert (code, api.paths) == (0, ["/notifications?state=UNDELIVERABLE&limit=5"])
    assert out.startswith("workflow w1  https://hooks.example.com  UNDELIVERABLE")
    assert "\x1b" not in out
    assert json.loads(shell(api, "undeliverable", "--json")[1]) == [entry]
