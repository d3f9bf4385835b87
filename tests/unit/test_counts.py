"""Counts are exact however the stream repeats itself, and whatever was counted of it before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from functions.core.counts import (
    POSITION_RETENTION_SECONDS,
    CountsByType,
    StateChange,
    StreamPositions,
    deltas_by_tenant,
    short_shard_id,
    sum_counts,
)

STATES = ["PENDING", "READY", "RUNNING", "RETRY", "SUCCESS", "DEAD"]


def change(
    before: str | None, after: str | None, *, sequence: int = 1, at: int = 0, kind: str = "A", tenant: str = "t"
) -> StateChange:
    return StateChange(sequence=sequence, at=at, tenant=tenant, type=kind, before=before, after=after)


def test_one_more_and_one_less() -> None:
    assert deltas_by_tenant([change(None, "READY")]) == {"t": {"A": {"READY": 1}}}
    assert deltas_by_tenant([change("READY", "RUNNING")]) == {"t": {"A": {"READY": -1, "RUNNING": 1}}}
    assert deltas_by_tenant([change("DEAD", None)]) == {"t": {"A": {"DEAD": -1}}}


def test_what_comes_to_nothing_is_left_out() -> None:
    there_and_back = [change("READY", "RUNNING"), change("RUNNING", "READY")]
    assert deltas_by_tenant([*there_and_back, change(None, "READY", tenant="u", kind="B")]) == {
        "u": {"B": {"READY": 1}}
    }


def test_a_total() -> None:
    assert sum_counts([{"A": {"READY": 1}}, {"B": {"DEAD": 2}, "A": {"READY": -1, "SUCCESS": 1}}]) == {
        "A": {"SUCCESS": 1},
        "B": {"DEAD": 2},
    }


def test_a_shard_is_remembered_for_as_long_as_its_records_may_come_again() -> None:
    one, other = (
        change(None, "READY", sequence=900),
        change(None, "READY", sequence=5, at=POSITION_RETENTION_SECONDS - 1),
    )
    marks = StreamPositions.parse("").advance("one", [one]).advance("other", [other])
    assert marks.uncounted_events("one", [one]) == marks.uncounted_events("other", [other]) == []
    assert marks.uncounted_events("third", [one, other]) == [one, other], (
        "numbers of two shards tell nothing of each other"
    )
    later = marks.advance("other", [change(None, "READY", sequence=6, at=POSITION_RETENTION_SECONDS)])
    assert set(later.shards) == {short_shard_id("other")}


@st.composite
def histories(draw: st.DrawFn) -> list[StateChange]:
    """One stream shard's events: tasks that are put, go from state to state, and may be removed, interleaved."""
    tasks: list[list[StateChange]] = []
    for at in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from("AB"))
        path: list[str | None] = [None, *draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=8))]
        if draw(st.booleans()):
            path.append(None)
        tasks.append([change(*step, kind=kind, tenant=str(at % 2)) for step in pairwise(path)])
    events: list[StateChange] = []
    while tasks := [task for task in tasks if task]:
        step = draw(st.sampled_from(tasks)).pop(0)
        events.append(
            change(step.before, step.after, kind=step.type, tenant=step.tenant, sequence=10 * len(events) + 7)
        )
    return events


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[StateChange], list[list[StateChange]]]:
    """A history, and the batches in which it is delivered: in order the first time, alone or behind what was delivered
    before; any part of that may come again at any time."""
    events = draw(histories())
    batches = []
    end = 0
    while end < len(events):
        start, end = draw(st.integers(0, end)), draw(st.integers(end + 1, len(events)))
        batches.append(events[start:end])
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.integers(0, end - 1))
            batches.append(events[begin : draw(st.integers(begin + 1, end))])
    return events, batches


@given(deliveries())
def test_each_event_is_counted_once(delivered: tuple[list[StateChange], list[list[StateChange]]]) -> None:
    events, batches = delivered
    counted: dict[str, list[CountsByType]] = {"0": [], "1": []}
    marks = StreamPositions.parse("")
    for batch in batches:
        if new := marks.uncounted_events("shard", batch):
            marks = StreamPositions.parse(marks.advance("shard", new).to_text)
            for tenant, sums in deltas_by_tenant(new).items():
                counted[tenant].append(sums)
    sums_of = {tenant: sum_counts(parts) for tenant, parts in counted.items()}
    assert {tenant: sums for tenant, sums in sums_of.items() if sums} == deltas_by_tenant(events)
