"""Schedules in the SDK and the command: what goes over the wire, what is shown, what the exit codes say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from taskyard import Backoff, InvalidRequest, Task, Taskyard, Workflow
from taskyard.api.schedules import calls as schedule_calls
from taskyard.cli import main

from tests.unit.client_fake import URL, problem, task_document

TASK = {"type": "EMAIL", "payload": {"to": "a"}}
TIMES = [f"2026-02-0{day}T08:00:00.000Z" for day in range(1, 6)]


def document(**fields: Any) -> dict[str, Any]:
    return {"id": "s1", "name": None, "cron": "0 9 * * *", "rate": None, "timezone": "Europe/Berlin", "paused": False,
            "nextTimes": TIMES, "task": TASK, "overlap": "skip", "catchUp": "none", "fired": 2, "skipped": 1,
            "missed": 0, "lastTaskId": "t1", "lastScheduledAt": TIMES[0]} | fields  # fmt: skip


class Api:
    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.raw_path.decode(), body))
        return self.answers.pop(0)

    def yard(self) -> Taskyard:
        return Taskyard(URL, "none", transport=httpx.MockTransport(self), backoff=Backoff(tries=1))

    def command(self, *argv: str) -> int:
        return main(argv, lambda url, auth, tenant: self.yard())


def test_schedule_create_sends_the_given_fields_only() -> None:
    api = Api(httpx.Response(201, json=document()))
    start = datetime(2026, 2, 1, tzinfo=UTC)
    made = api.yard().schedules.create(TASK, cron="0 9 * * *", start_at=start, overlap="skip", idempotency_key="k")
    assert (made.id, made.next_times[0].hour, made.fired, made.last_task_id) == ("s1", 8, 2, "t1")
    wanted = {"cron": "0 9 * * *", "startAt": "2026-02-01T00:00:00.000Z", "overlap": "skip", "task": TASK}
    assert api.requests == [("POST", "/schedules", wanted)]
    with pytest.raises(ValueError, match="exactly one"):
        schedule_calls.create(TASK)
    with pytest.raises(ValueError, match="nothing to change"):
        schedule_calls.update("s1")


def test_schedule_update_with_none_clears_a_field() -> None:
    call = schedule_calls.update("s/1", name=None, end_at=None, paused=False)
    assert call.request.path == "/schedules/s%2F1"
    assert json.loads(call.request.body) == {"name": None, "endAt": None, "paused": False}


def test_schedule_list_reads_all_pages() -> None:
    api = Api(
        httpx.Response(200, json={"schedules": [document(id="s2")], "cursor": "c"}),
        httpx.Response(200, json={"schedules": [document()], "cursor": None}),
    )
    assert [each.id for each in api.yard().schedules.list()] == ["s2", "s1"]
    assert api.requests[1][1] == "/schedules?limit=100&cursor=c"


def test_schedule_create_command_sends_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(httpx.Response(201, json=document()))
    code = api.command(
        "schedule", "create", "EMAIL", "--payload", '{"to": "a"}', "--cron", "0 9 * * *", "--timezone", "Europe/Berlin",
        "--catch-up", "last", "--tag", "a=b", "--key", "k", "--paused",
    )  # fmt: skip
    assert code == 0
    assert api.requests[0][2] == {
        "cron": "0 9 * * *", "timezone": "Europe/Berlin", "paused": True, "catchUp": "last",
        "task": TASK | {"tags": {"a": "b"}},
    }  # fmt: skip
    shown = capsys.readouterr().out
    assert "s1  0 9 * * * Europe/Berlin  EMAIL  next" in shown
    assert shown.count("next: ") == 5
    assert "2 fired, 1 skipped, 0 missed" in shown


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        (("get", "s1"), ("GET", "/schedules/s1", None)),
        (("pause", "s1"), ("PATCH", "/schedules/s1", {"paused": True})),
        (("resume", "s1"), ("PATCH", "/schedules/s1", {"paused": False})),
        (("run", "s1", "--key", "k"), ("POST", "/schedules/s1/run", None)),
        (("delete", "s1"), ("DELETE", "/schedules/s1", None)),
        (("list", "--limit", "5"), ("GET", "/schedules?limit=5", None)),
    ],
)
def test_schedule_command_is_one_request(argv: tuple[str, ...], sent: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in ((), ("--json",)):
        answers = {
            "run": httpx.Response(201, json=task_document("t9")),
            "delete": httpx.Response(204),
            "list": httpx.Response(200, json={"schedules": [document()], "cursor": None}),
        }
        api = Api(answers.get(argv[0], httpx.Response(200, json=document(paused=True, nextTimes=[]))))
        assert api.command("schedule", *argv, *as_json) == 0
        assert api.requests == [sent]
        out = capsys.readouterr().out
        assert json.loads(out) if as_json else out


def test_schedule_command_that_is_refused_exits_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    gone = problem(404, "no such schedule")
    assert Api(gone).command("schedule", "get", "s1") == 3
    assert Api(gone, httpx.Response(204)).command("schedule", "delete", "s1", "s2") == 3
    bad = problem(422, "no", errors=[{"field": "cron", "message": "minute: 61 is not from 0 to 59"}])
    assert Api(bad).command("schedule", "create", "EMAIL", "--cron", "61 * * * *") == 4
    assert "cron: minute: 61" in capsys.readouterr().err
    assert Api().command("schedule", "create", "EMAIL") == 2
    with pytest.raises(InvalidRequest):
        Api(bad).yard().schedules.create(TASK, cron="61 * * * *")


WORKFLOW = {"nodes": {"only": {"type": "EMAIL", "payload": {"to": "a"}}}}


def of_workflow(**fields: Any) -> dict[str, Any]:
    return document(task=None, workflow={"name": "nightly", **WORKFLOW}, lastTaskId=None, lastWorkflowId="w1") | fields


def test_schedule_create_sends_a_workflow_instead_of_a_task() -> None:
    api = Api(httpx.Response(201, json=of_workflow()))
    made = api.yard().schedules.create(workflow=WORKFLOW, rate="1 hour")
    assert api.requests == [("POST", "/schedules", {"rate": "1 hour", "workflow": WORKFLOW})]
    assert (made.task, made.workflow["name"], made.last_workflow_id, made.managed_by) == ({}, "nightly", "w1", "api")


@pytest.mark.parametrize("templates", [{}, {"task": TASK, "workflow": WORKFLOW}], ids=["neither", "both"])
def test_schedule_create_without_exactly_one_template_is_refused(templates: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a task or a workflow: exactly one"):
        schedule_calls.create(**templates, rate="1 hour")


@pytest.mark.parametrize(
    ("answer", "kind"), [({"id": "w1", "name": "n", "state": "PENDING", "nodeCount": 1}, Workflow), (None, Task)]
)
def test_schedule_run_returns_what_was_submitted(answer: Any, kind: type) -> None:
    api = Api(httpx.Response(201, json=answer or task_document()))
    assert isinstance(api.yard().schedules.run("s1"), kind)


def test_schedule_create_command_reads_a_workflow_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nightly.yaml"
    file.write_text("nodes:\n  only: {type: EMAIL, payload: {to: a}}\n")
    api = Api(httpx.Response(201, json=of_workflow(managedBy="deployment", declaredAs="Taskyard-dev/nightly")))
    assert api.command("schedule", "create", "--workflow", str(file), "--rate", "1 hour") == 0
    assert api.requests[0][2] == {"rate": "1 hour", "workflow": WORKFLOW}
    shown = capsys.readouterr().out
    assert "workflow nightly" in shown
    assert "last: workflow w1" in shown
    assert "declared as Taskyard-dev/nightly" in shown


@pytest.mark.parametrize(
    "argv",
    [
        ("create", "--rate", "1 hour"),
        ("create", "EMAIL", "--workflow", "f.yaml", "--rate", "1 hour"),
        ("create", "--workflow", "f.yaml", "--payload", "{}", "--rate", "1 hour"),
        ("update", "s1", "--workflow", "f.yaml", "--tag", "a=b"),
    ],
)
def test_schedule_command_without_exactly_one_template_is_a_usage_error(argv: tuple[str, ...]) -> None:
    assert Api().command("schedule", *argv) == 2
