"""What goes over the wire."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard import Retry, Task
from taskyard.api.tasks import calls
from taskyard.times import from_iso_time, iso_time, parse_duration

from tests.unit.client_fake import task_document


def body(call: calls.Call[Any]) -> dict[str, Any]:
    return json.loads(call.request.body)


def test_submit_body_has_the_given_fields_only() -> None:
    assert body(calls.submit("EMAIL")) == {"type": "EMAIL"}
    call = calls.submit(
        "EMAIL", {"to": "a"}, delay=timedelta(minutes=2), priority="high", max_retries=2,
        retry=Retry("fixed", base_seconds=1), timeout=30, tags={"team": "x"}, dependencies=("t0",), idempotency_key="k",
    )  # fmt: skip
    assert body(call) == {
        "type": "EMAIL", "payload": {"to": "a"}, "delaySeconds": 120, "priority": "high", "maxRetries": 2,
        "retry": {"strategy": "fixed", "baseSeconds": 1}, "timeoutSeconds": 30, "tags": {"team": "x"},
        "dependencies": ["t0"],
    }  # fmt: skip
    assert call.request.headers["idempotency-key"] == "k"


def test_submit_without_key_gets_a_new_key() -> None:
    keys = {calls.submit("EMAIL").request.headers["idempotency-key"] for _ in range(3)}
    assert len(keys) == 3


def test_submit_body_is_sent_unchanged_with_a_key_unless_it_has_one() -> None:
    raw = b'{ "task_name":"X" }'
    call = calls.submit_body(raw)
    assert call.request.body == raw
    assert call.request.headers["idempotency-key"]
    assert "idempotency-key" not in calls.submit_body(b'{"type":"X","idempotencyKey":"mine"}').request.headers
    assert calls.submit_body(raw, "k").request.headers["idempotency-key"] == "k"


def test_submit_with_naive_datetime_or_two_run_times_is_refused() -> None:
    naive = datetime(2026, 2, 1)  # noqa: DTZ001
    now = datetime(2026, 2, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="no time zone"):
        calls.submit("EMAIL", run_at=naive)
    with pytest.raises(ValueError, match="not by both"):
        calls.submit("EMAIL", run_at=now, delay=1)
    with pytest.raises(ValueError, match="exactly one"):
        calls.reschedule("t1", None, None, now)
    with pytest.raises(ValueError, match="nothing to change"):
        calls.update("t1")


def test_reschedule_by_delay_counts_from_now_in_utc() -> None:
    now = datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert body(calls.reschedule("t1", None, 90, now)) == {"runAt": "2026-02-01T10:01:30.000Z"}


def test_update_with_payload_none_sends_null() -> None:
    assert body(calls.update("t1", payload=None)) == {"payload": None}


def test_path_and_query_encode_ids_and_filters() -> None:
    assert calls.get("a/b c").request.path == "/tasks/a%2Fb%20c"
    assert calls.page("READY", "my type", 2, "a=+").request.path == (
        "/tasks?state=READY&type=my%20type&limit=2&cursor=a%3D%2B"
    )


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_instant_converted_to_text_and_back_keeps_milliseconds(moment: datetime) -> None:
    text = iso_time(moment)
    assert text.endswith("Z")
    assert from_iso_time(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("500ms", 0.5), ("15m", 900), ("1h30m", 5400), ("2d", 172800)]
)
def test_duration_text_is_converted_to_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "5x", "1h30", "nan"])
def test_duration_text_that_is_invalid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_task_from_json_is_typed_and_keeps_unknown_fields() -> None:
    attempts = [
        {"number": 1, "startedAt": "2026-02-01T10:00:01.250Z", "endedAt": None, "outcome": "RETRY", "error": "no"},
        {"number": 2, "startedAt": "2026-02-01T10:00:05.000Z"},
    ]
    document = task_document(attempts=attempts, attempt=2, startedAt="2026-02-01T10:00:05.000Z", workflow={"id": "w"})
    document["state"] = "RUNNING"
    task = Task.from_json(document)
    assert task.run_at == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert task.drift_seconds == 5.0
    assert task.attempts[0].outcome == "RETRY"
    assert task.retry.base_seconds == 2
    assert task.raw["workflow"] == {"id": "w"}
    assert not task.settled


@pytest.mark.parametrize("state", ["PENDING", "READY", "RETRY", "CANCELLED"])
def test_task_that_waits_again_has_no_drift(state: str) -> None:
    assert Task.from_json(task_document(state=state, startedAt="2026-02-01T09:00:00.000Z")).drift_seconds is None


def test_task_of_an_older_or_newer_server_is_read() -> None:
    task = Task.from_json(
        {"id": "t1", "type": "X", "state": "PONDERING", "tags": None, "attempts": None, "retry": None}
    )
    assert (task.state, task.settled, task.attempts, task.drift_seconds) == ("PONDERING", False, (), None)
