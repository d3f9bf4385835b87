"""What a submit and a change may say: every field, under each of its names, and every way to be wrong."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.core.task import MAX_RUN_AT_DELAY_MS
from functions.intake.fingerprint import Fingerprint
from functions.intake.task_requests import (
    CHANGE_ALIASES,
    SUBMIT_ALIASES,
    ChangeTask,
    Limits,
    ParsedRequest,
    SubmitTask,
    parse,
)

NOW = 1_770_000_000_000
LIMITS = Limits(now=NOW, timeout_seconds=50)
ID = "01kge3h900nxwjw3yyr4p0tse3"


def submit(**fields: Any) -> ParsedRequest[SubmitTask]:
    return parse(SubmitTask, {"type": "T", **fields}, SUBMIT_ALIASES, LIMITS)


def accepted(**fields: Any) -> SubmitTask:
    parsed = submit(**fields)
    assert parsed.request is not None, parsed.errors
    return parsed.request


def refused(**fields: Any) -> dict[str, str]:
    errors = submit(**fields).errors
    assert errors
    return {error.field: error.message for error in errors}


@pytest.mark.parametrize("name", ["type", "task_name", "taskName"])
def test_the_type_has_three_names(name: str) -> None:
    request = parse(SubmitTask, {name: "T"}, SUBMIT_ALIASES, LIMITS).request
    assert request is not None
    assert request.type == "T"


@pytest.mark.parametrize("name", ["runAt", "run_at", "scheduled_at", "scheduledAt", "availableAt"])
@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("2026-02-02T02:41:00Z", NOW + 60_000),
        ("2026-02-02T02:41:00.123Z", NOW + 60_123),
        ("2026-02-02T02:41:00.123456Z", NOW + 60_123),
        ("2026-02-02T03:41:00+01:00", NOW + 60_000),
        ("2026-02-01T21:41:00-05:00", NOW + 60_000),
        ("20260202T024100Z", NOW + 60_000),
        ("0001-01-01T00:00:00+14:00", NOW),
        ("1999-12-31T23:59:59Z", NOW),
    ],
)
def test_a_time_is_read_under_each_of_its_names_and_the_past_is_now(name: str, written: str, due: int) -> None:
    assert accepted(**{name: written}).due_at(NOW) == due


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2026-02-02T02:41:00", "offset"),
        ("2026-02-02", "offset"),
        ("soon", "ISO 8601"),
        ("", "ISO 8601"),
        ("2026-02-30T00:00:00Z", "ISO 8601"),
        ("2026-02-02T02:41:61Z", "ISO 8601"),
        ("9999-12-31T23:59:59Z", "years ahead"),
        ("9999-12-31T23:59:59-14:00", "years ahead"),
        (NOW, "string"),
        (True, "string"),
        ({}, "string"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(written: Any, said: str) -> None:
    assert said in refused(scheduled_at=written)["scheduled_at"]


def test_the_later_of_two_times_counts() -> None:
    early, late = "2026-02-02T03:00:00Z", "2026-02-02T04:00:00Z"
    assert accepted(runAt=early, availableAt=late).due_at(NOW) == accepted(runAt=late, availableAt=early).due_at(NOW)
    assert accepted(runAt=early, availableAt=late).due_at(NOW) == accepted(runAt=late).due_at(NOW)


@pytest.mark.parametrize("name", ["delaySeconds", "delay_seconds"])
def test_a_delay_counts_from_now(name: str) -> None:
    assert accepted(**{name: 0}).due_at(NOW) == NOW
    assert accepted(**{name: 0.25}).due_at(NOW) == NOW + 250
    assert accepted(**{name: MAX_RUN_AT_DELAY_MS // 1000}).due_at(NOW) == NOW + MAX_RUN_AT_DELAY_MS


@pytest.mark.parametrize("value", [-1, -0.001, True, "60", [], MAX_RUN_AT_DELAY_MS, 10**400])
def test_a_delay_is_a_number_of_seconds_within_the_horizon(value: Any) -> None:
    assert list(refused(delay_seconds=value)) == ["delay_seconds"]


def test_time_and_delay_together_are_refused_in_the_callers_words() -> None:
    assert refused(scheduled_at="2026-02-02T03:00:00Z", delay_seconds=5) == {
        "delay_seconds": "give either this or scheduled_at, not both"
    }
    assert "availableAt" in refused(availableAt="2026-02-02T03:00:00Z", delaySeconds=5)["delaySeconds"]


@pytest.mark.parametrize(
    ("given", "priority"), [(0, 0), (9, 9), (5.0, 5), ("high", 8), ("Normal", 5), ("LOW", 1), (None, None)]
)
def test_a_priority_is_a_digit_or_a_name(given: Any, priority: int | None) -> None:
    assert accepted(priority=given).priority == priority


@pytest.mark.parametrize("given", [-1, 10, 5.5, True, "urgent", "5", "", [], 10**40])
def test_any_other_priority_is_refused(given: Any) -> None:
    assert list(refused(priority=given)) == ["priority"]


@pytest.mark.parametrize("name", ["maxRetries", "max_retries", "retries"])
def test_retries_have_three_names(name: str) -> None:
    assert accepted(**{name: 0}).max_retries == 0
    assert accepted(**{name: 100}).max_retries == 100
    for value in (-1, 101, 1.5, False, "3"):
        assert list(refused(**{name: value})) == [name]


def test_retry_overrides_are_partial_and_bounded() -> None:
    retry = accepted(retry={"baseSeconds": 0.5}).retry
    assert retry is not None
    assert retry.model_dump(exclude_none=True) == {"base_seconds": 0.5}
    assert refused(
        retry={"strategy": "linear", "baseSeconds": -1, "maxSeconds": 10**9, "jitter": 2, "x": 1}
    ).keys() == {
        "retry.strategy",
        "retry.baseSeconds",
        "retry.maxSeconds",
        "retry.jitter",
        "retry.x",
    }
    assert list(refused(retry="fixed")) == ["retry"]


def test_a_timeout_fits_into_a_workers_own() -> None:
    assert accepted(timeoutSeconds=50).timeout_seconds == 50
    assert "at most 50" in refused(timeoutSeconds=51)["timeoutSeconds"]
    for value in (0, -5, 1.5, True, "10"):
        assert list(refused(timeoutSeconds=value)) == ["timeoutSeconds"]


def test_tags_are_few_and_short() -> None:
    assert accepted(tags={"a" * 64: "b" * 256, "empty": ""}).tags
    assert list(refused(tags={f"k{n}": "v" for n in range(21)})) == ["tags"]
    assert refused(tags={"a": 1}).keys() == {"tags.a"}
    assert refused(tags={"a": "b" * 257}).keys() == {"tags.a"}
    for tags in ({"a" * 65: "v"}, {"": "v"}, ["a"], "a"):
        assert all(field.startswith("tags") for field in refused(tags=tags))


def test_dependencies_are_ids() -> None:
    assert accepted(dependencies=[ID, ID]).dependencies == [ID, ID]
    assert refused(dependencies=[ID, "x", ID.upper(), 7]).keys() == {
        "dependencies[1]",
        "dependencies[2]",
        "dependencies[3]",
    }
    assert list(refused(dependencies=[ID] * 101)) == ["dependencies"]


def test_an_idempotency_key_has_a_length() -> None:
    assert accepted(idempotencyKey=" k ").idempotency_key == "k"
    for value in ("", "  ", "k" * 257, 7):
        assert list(refused(idempotencyKey=value)) == ["idempotencyKey"]


def test_a_field_given_under_two_names_is_refused() -> None:
    assert refused(task_name="T") == {"task_name": "is another name for type, which is given too"}
    assert "retries" in refused(max_retries=1, retries=1)


def test_unknown_fields_are_named_each() -> None:
    assert refused(priorty=1, payLoad={}) == {"priorty": "is not a known field", "payLoad": "is not a known field"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refused(priority=11, run_at="soon", retries=-1, tags=3, bogus=1).keys() == {
        "priority",
        "run_at",
        "retries",
        "tags",
        "bogus",
    }


def test_null_is_left_out() -> None:
    left_out = dict.fromkeys(["runAt", "priority", "retry", "tags", "dependencies", "idempotencyKey", "timeoutSeconds"])
    assert accepted(**left_out) == accepted()


def fingerprint(**fields: Any) -> Fingerprint:
    parsed = submit(**fields)
    assert parsed.request is not None, parsed.errors
    return Fingerprint(parsed.request.canonical_form("T"), parsed.fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 6},
        {"payload": None},
        {"payload": {"a": True}},
        {"payload": {"a": "1"}},
        {"payload": {"a": 1.5}},
        {"payload": {"a": 2**53 + 1}},
        {"payload": {"a": None}},
        {"payload": {"a": [1, 2]}},
        {"payload": {"a": [2, 1]}},
        {"payload": []},
        {"maxRetries": 1},
        {"retry": {"maxSeconds": 5}},
        {"retry": {"jitter": 0}},
        {"timeoutSeconds": 50},
        {"tags": {"a": ""}},
        {"dependencies": [ID]},
        {"notify": [{"email": "ada@example.com"}]},
        {"notify": [{"email": "ada@example.com", "on": "failure"}]},
        {"delaySeconds": 1},
        {"delaySeconds": 1.001},
        {"runAt": "2026-02-02T02:41:00Z"},
        {"runAt": "2026-02-02T02:41:00.001Z"},
        {"runAt": "2020-01-01T00:00:00Z"},
    ],
)
def test_the_digest_tells_requests_apart(fields: dict[str, Any]) -> None:
    others = [{}, {"delaySeconds": 2}, {"runAt": "2026-02-02T02:42:00Z"}, {"payload": {"a": 1}}, {"maxRetries": 2}]
    assert fingerprint(**fields).digest not in {fingerprint(**other).digest for other in others}


def test_a_digest_of_before_is_still_known_in_the_same_spelling() -> None:
    """As it was computed of this request, by hand: sha256 of its fields, sorted."""
    before = hashlib.sha256(b'{"delaySeconds":60.0,"payload":{"a":1},"type":"T"}').hexdigest()[:32]
    assert fingerprint(payload={"a": 1}, delay_seconds=60.0, tags=None, idempotencyKey="k").matches(before)
    assert not fingerprint(payload={"a": 1}, delaySeconds=60).matches(before)
    assert not fingerprint(payload={"a": 2}, delaySeconds=60.0).matches(before)


def test_a_change_may_be_of_time_priority_and_payload() -> None:
    change = parse(
        ChangeTask, {"scheduled_at": "2026-02-02T03:00:00Z", "priority": "low", "payload": 1}, CHANGE_ALIASES, LIMITS
    )
    assert change.request is not None
    assert (change.request.priority, change.request.payload) == (1, 1)
    for field in ("type", "tags", "maxRetries", "idempotencyKey"):
        assert parse(ChangeTask, {field: "x"}, CHANGE_ALIASES, LIMITS).errors[0].field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["type", "runAt", "delaySeconds", "priority", "maxRetries", "retry", "timeoutSeconds", "tags", "dependencies"]


@given(st.dictionaries(st.sampled_from([*NAMES, *SUBMIT_ALIASES]) | st.text(), JSON, max_size=5))
def test_any_json_object_is_accepted_or_refused_by_name(body: dict[str, Any]) -> None:
    parsed = parse(SubmitTask, body, SUBMIT_ALIASES, LIMITS)
    if parsed.request is None:
        heads = {error.field.split(".")[0].split("[")[0] for error in parsed.errors}
        assert all(head in body or head == "type" or any(c in name for name in body for c in ".[") for head in heads)
    else:
        assert (parsed.request.due_at(NOW) or NOW) >= NOW
        assert Fingerprint(parsed.request.canonical_form("T"), parsed.fields).digest
