"""Records of every release in records/ are read, run, settled, listed and redriven by today's functions."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import taskyard

from functions.workflow import handler as workflow
from tests.compat import scenes
from tests.compat.cloud import CompatCloud
from tests.integration.api import Answer, Api
from tests.integration.cloud import TENANT
from tests.integration.workflows import begin, step

RECORDS = Path(__file__).parent / "records"
RELEASES = sorted(path.name for path in RECORDS.iterdir())
STATES = {
    "succeeded": "SUCCESS",
    "large": "SUCCESS",
    "middle": "SUCCESS",
    "mailed": "SUCCESS",
    "dead": "DEAD",
    "skipped": "SKIPPED",
    "recovered": "SUCCESS",
    "keyed": "SUCCESS",
    "cancelled": "CANCELLED",
    "cancelled in bulk": "CANCELLED",
    "due": "SUCCESS",
    "later": "READY",  # due for an hour
    "blocked": "BLOCKED",
    "retried": "RETRY",
    "running": "RUNNING",
}


@dataclass
class Old:
    """A cloud with the records of a release, some hours after they were written."""

    cloud: CompatCloud
    api: Api
    names: Mapping[str, str]

    def get(self, kind: str, name: str) -> Any:
        answer = self.api("GET", f"/{kind}/{self.names[name]}")
        assert answer.status == 200, answer.body
        return answer.body

    def state(self, name: str) -> str:
        return str(self.get("tasks", name)["state"])

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.api("POST", path, body, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest, make_cloud: Callable[[], CompatCloud]) -> Old:
    content = json.loads((RECORDS / request.param / "records.json").read_text())
    cloud = make_cloud()
    cloud.clock.now = content["now"] + 2 * scenes.HOUR * 1000
    cloud.load(content)
    return Old(cloud, Api(cloud), content["names"])


def kinds(items: Iterable[Mapping[str, Any]]) -> set[str]:
    """Of records: their keys without ids, as docs/data-model.md names them."""
    return {
        f"{item['pk']['S'].partition('#')[0]} {re.split('[#:]', item['sk']['S'])[0]}"
        for item in items
        if not item["pk"]["S"].startswith("AUDIT#")
    }


def test_records_of_this_release_hold_every_kind_that_it_writes(make_cloud: Callable[[], CompatCloud]) -> None:
    """If this fails, a kind of record is new: `python -m tests.compat` writes the file of this version anew."""
    cloud = make_cloud()
    names = scenes.write(cloud)
    if folder := os.environ.get("WRITE_RECORDS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        cloud.save(Path(folder) / "records.json", version=taskyard.__version__, names=names)
    kept = json.loads((RECORDS / taskyard.__version__ / "records.json").read_text())
    assert kinds(cloud.table.items()) == kinds(kept["items"])


@pytest.mark.parametrize("name", STATES)
def test_old_task_is_read_in_its_state(old: Old, name: str) -> None:
    task = old.get("tasks", name)
    assert (task["id"], task["state"]) == (old.names[name], STATES[name])


def test_old_payloads_and_results_are_read_from_wherever_they_are(old: Old) -> None:
    assert old.get("tasks", "large")["payload"]["content"] == scenes.LARGE
    middle = old.get("tasks", "middle")
    assert (middle["payload"]["message"], middle["result"]["message"]) == (scenes.MIDDLE, scenes.MIDDLE[:100])


def test_old_tasks_are_listed(old: Old) -> None:
    listed: set[str] = set()
    query = {"limit": "100"}
    while True:
        page = old.api("GET", "/tasks", query=query).body
        listed |= {task["id"] for task in page["tasks"]}
        if not page.get("nextCursor"):
            break
        query["cursor"] = page["nextCursor"]
    assert {old.names[name] for name in STATES} <= listed


@pytest.mark.parametrize("name", ["later", "blocked", "retried", "running"])
def test_old_task_that_has_not_ended_runs_to_its_end(old: Old, name: str) -> None:
    old.cloud.fire_timers()
    old.cloud.work_off()
    assert old.state(name) == "SUCCESS"


def test_old_attempts_are_counted_on(old: Old) -> None:
    before = old.get("tasks", "retried")["attempts"]
    old.cloud.work_off()
    attempts = old.get("tasks", "retried")["attempts"]
    assert (len(before), attempts[:1], [each["outcome"] for each in attempts][1:]) == (1, before, ["SUCCESS"])


def test_old_waiting_task_is_changed_and_cancelled(old: Old) -> None:
    path = f"/tasks/{old.names['later']}"
    assert old.api("PATCH", path, {"payload": {"message": "changed"}}).body["payload"] == {"message": "changed"}
    assert old.api("DELETE", path).status < 300
    assert (old.state("later"), old.state("blocked")) == ("CANCELLED", "SKIPPED")


def test_old_dead_letter_is_listed_and_redriven(old: Old) -> None:
    listed = old.api("GET", "/dead-letters").body
    assert old.names["dead"] in json.dumps(listed)
    assert old.post(f"/tasks/{old.names['dead']}/retry", {"attempts": 1}).status in (200, 202)
    old.cloud.work_off()
    task = old.get("tasks", "dead")
    assert (task["state"], len(task["attempts"])) == ("DEAD", 2)


def test_old_idempotency_key_is_known(old: Old) -> None:
    same = old.post("/tasks", scenes.KEYED, idempotency_key="compat-1")
    assert (same.status, same.body["id"]) == (200, old.names["keyed"])
    other = old.post("/tasks", {**scenes.KEYED, "payload": {"message": "other"}}, idempotency_key="compat-1")
    assert other.status == 422


def test_old_recorded_answer_is_given_again(old: Old) -> None:
    answer = old.post("/tasks/cancel", scenes.BULK, idempotency_key="compat-2")
    assert (answer.status, old.names["cancelled in bulk"] in json.dumps(answer.body)) == (200, True)


def run_of(old: Old, name: str) -> Any:
    found = workflow.services().runs.get(TENANT, old.names[name])
    assert found is not None
    return found


def outcome(old: Old) -> str:
    return str(old.cloud.told[-1][1]["outcome"])


def test_old_run_that_has_begun_ends(old: Old) -> None:
    """Its nodes are released one by the other: through the chunks of the wide ones, too."""
    old.cloud.work_off()
    step(old.cloud, "finish", run_of(old, "started run"), outcome=outcome(old))
    run = old.get("workflows", "started run")
    assert (run["state"], {node["state"] for node in run["nodes"]}) == ("SUCCESS", {"SUCCESS"})


def test_old_run_that_has_not_begun_runs(old: Old) -> None:
    old.cloud.work_off()
    run = run_of(old, "pending run")
    begin(old.cloud, run, token="pending")
    old.cloud.work_off()
    step(old.cloud, "finish", run, outcome=outcome(old))
    assert old.get("workflows", "pending run")["state"] == "SUCCESS"


def test_old_failed_run_is_read_and_retried(old: Old) -> None:
    assert old.get("workflows", "failed run")["state"] == "FAILED"
    assert old.post(f"/workflows/{old.names['failed run']}/retry").status < 300
    old.cloud.work_off()
    run = run_of(old, "failed run")
    begin(old.cloud, run, token="again")
    old.cloud.work_off()
    step(old.cloud, "finish", run, outcome=outcome(old))
    found = old.get("workflows", "failed run")
    assert (found["state"], found["round"]) == ("FAILED", 2)


def test_old_schedule_fires_and_is_changed_and_deleted(old: Old) -> None:
    path = f"/schedules/{old.names['schedule']}"
    before = old.get("schedules", "schedule")
    old.cloud.clock.now -= old.cloud.clock.now % 1000
    scenes.fire(old.cloud, old.names["schedule"])
    after = old.get("schedules", "schedule")
    assert json.dumps(before) != json.dumps(after)
    assert old.api("PATCH", path, {"rate": "2 hours"}).status == 200
    assert old.api("DELETE", path).status < 300
    assert old.api("GET", path).status == 404


def test_old_paused_schedule_is_resumed(old: Old) -> None:
    assert old.get("schedules", "paused schedule")["paused"] is True
    answer = old.api("PATCH", f"/schedules/{old.names['paused schedule']}", {"paused": False})
    assert (answer.status, answer.body["paused"]) == (200, False)


def test_old_notifications_are_listed(old: Old) -> None:
    assert len(old.get("tasks", "succeeded")["notifications"]) == 1


def test_old_audit_records_are_listed(old: Old) -> None:
    assert old.names["cancelled"] in json.dumps(old.api("GET", "/audit", query={"limit": "100"}).body)
