"""A task as its callers see it."""

from __future__ import annotations

from taskyard.tasks.retry import RetryPolicy

from functions.core.pools import BANDS, Routing
from functions.core.states import State
from functions.core.task import Attempt, Document, Task
from functions.core.task_types import Registry
from functions.core.times import iso_time_or_none
from functions.intake import task_views as views

CREATED = 1_770_000_000_000
ROUTING = Routing(BANDS, Registry)
FAILED = Attempt(
    number=1,
    started_at=CREATED + 10,
    ended_at=CREATED + 20,
    outcome="RETRY",
    error_type="KeyError",
    error="'x'",
    where="a.py:3",
    log=("looked",),
)


def task(**changes: object) -> Task:
    made = Task(
        tenant="t",
        id="01kge3h900nxwjw3yyr4p0tse3",
        type="T",
        state=State.PENDING,
        created_at=CREATED,
        available_at=CREATED + 60_000,
        timeout_seconds=30,
        retry=RetryPolicy(max_attempts=3),
        payload=Document(inline='{"a":1}'),
        digest="d",
    )
    return made.with_changes(**changes)


def test_times_are_iso_8601_with_milliseconds() -> None:
    assert iso_time_or_none(1_769_940_000_000) == "2026-02-01T10:00:00.000Z"
    assert iso_time_or_none(1_769_940_000_007) == "2026-02-01T10:00:00.007Z"
    assert iso_time_or_none(None) is None


def test_a_pending_task_reads_as_ready_once_due() -> None:
    assert views.list_entry(task(), ROUTING, now=CREATED)["state"] == "PENDING"
    assert views.list_entry(task(), ROUTING, now=CREATED + 60_000)["state"] == "READY"


def test_the_attempt_that_runs_stands_behind_those_that_failed() -> None:
    running = task(state=State.RUNNING, attempt=2, started_at=CREATED + 50, history=(FAILED,))
    first, second = views.view_of_record(running, ROUTING, now=CREATED)["attempts"]
    assert first == {
        "number": 1,
        "startedAt": "2026-02-02T02:40:00.010Z",
        "endedAt": "2026-02-02T02:40:00.020Z",
        "outcome": "RETRY",
        "errorType": "KeyError",
        "error": "'x'",
        "where": "a.py:3",
        "traceback": None,
        "log": ["looked"],
    }
    assert (second["number"], second["startedAt"], second["endedAt"], second["outcome"], second["log"]) == (
        2,
        "2026-02-02T02:40:00.050Z",
        None,
        None,
        [],
    )


def test_the_attempt_that_succeeded_has_its_log() -> None:
    done = task(state=State.SUCCESS, attempt=1, started_at=CREATED + 5, ended_at=CREATED + 9, log=("said",))
    (attempt,) = views.view_of_record(done, ROUTING, now=CREATED)["attempts"]
    assert (attempt["outcome"], attempt["endedAt"], attempt["log"]) == ("SUCCESS", "2026-02-02T02:40:00.009Z", ["said"])


def test_a_task_between_attempts_shows_those_that_ended() -> None:
    waiting = task(state=State.RETRY, attempt=1, started_at=CREATED + 10, history=(FAILED,))
    assert [attempt["number"] for attempt in views.view_of_record(waiting, ROUTING, now=CREATED)["attempts"]] == [1]


def test_in_a_list_documents_kept_elsewhere_are_left_out_and_named() -> None:
    view = views.list_entry(
        task(payload=Document(ref="item:PAYLOAD#1"), result=Document(inline="[1]")), ROUTING, now=CREATED
    )
    assert "payload" not in view
    assert view["omitted"] == ["payload"]
    assert view["result"] == [1]


def test_progress_has_a_time() -> None:
    shown = views.view_of_record(task(progress={"fraction": 0.5, "note": "half", "at": CREATED}), ROUTING, now=CREATED)[
        "progress"
    ]
    assert shown == {"fraction": 0.5, "note": "half", "at": "2026-02-02T02:40:00.000Z"}


def test_what_no_answer_can_hold_is_left_out() -> None:
    small, quotes = {"payload": "x" * 5_000_000}, {"payload": '"' * 2_000_000}
    assert views.fits_answer(small)
    assert not views.fits_answer(quotes)
    assert not views.fits_answer({"payload": "ä" * 4_000_000})
