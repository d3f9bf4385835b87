"""`make demo`, as a newcomer runs it: once through, and what it says when a task does not end as it should."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from taskyard import Task

from local.demo.cases import Case, mismatches, request_cases
from local.demo.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DUE = datetime(2026, 2, 1, 10, tzinfo=UTC)


def test_the_demo_ends_well_and_shows_every_kind_of_end() -> None:
    command = [sys.executable, "-m", "local", "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in (
        "SUCCESS",
        "RETRY",
        "DEAD",
        "FAILED",
        "one task",
        "charge  try 3/4",
        "flowchart LR",
        "the schedule fired at",
        "Everything ended as expected.",
    ):
        assert expected in done.stdout


def task(state: str, attempt: int = 1, started_after: float | None = None) -> Task:
    started = None if started_after is None else DUE + timedelta(seconds=started_after)
    return Task(id="t1", type="X", state=state, attempt=attempt, run_at=DUE, started_at=started)


@pytest.mark.parametrize(
    ("case", "ended", "said"),
    [
        (Case("a", b""), task("SUCCESS"), []),
        (Case("a", b""), task("DEAD"), ["a: DEAD instead of SUCCESS ()"]),
        (Case("a", b""), task("RUNNING"), ["a: still RUNNING"]),
        (Case("a", b"", attempts=2), task("SUCCESS"), ["a: took 1 attempts instead of 2"]),
        (Case("a", b"", delay_seconds=3), task("SUCCESS", started_after=0.4), []),
        (Case("a", b"", delay_seconds=3), task("SUCCESS", started_after=-0.5), ["a: started -0.50 s after its time"]),
        (Case("a", b"", delay_seconds=3), task("SUCCESS", started_after=9), ["a: started 9.00 s after its time"]),
        (Case("a", b"", delay_seconds=3), task("SUCCESS"), ["a: started never after its time"]),
    ],
)
def test_what_did_not_end_as_expected_is_said(case: Case, ended: Task, said: list[str]) -> None:
    assert mismatches(case, ended) == said


def test_the_requests_are_sent_as_they_stand_in_their_files() -> None:
    folder = ROOT / "events" / "requests"
    assert {case.label: case.body for case in request_cases()} == {
        file.name: file.read_bytes() for file in folder.glob("*.json")
    }


def test_the_receiver_is_busy_once_and_knows_one_path() -> None:
    with webhook_receiver() as receiver:
        answers = [
            httpx.post(f"{receiver.url}/{path}", json={}, trust_env=False) for path in ("gone", "orders", "orders")
        ]
    assert [answer.status_code for answer in answers] == [404, 503, 200]
    assert answers[1].headers["retry-after"] == "1"
