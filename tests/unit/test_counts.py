"""Counts are exact however the stream repeats itself: any split, any duplication before the next batch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from functions.core.counts import DIGEST_BYTES, MEMORY, Change, apply, delta, digest, state_counter, type_counter

STATES = ["PENDING", "READY", "RUNNING", "RETRY", "SUCCESS", "DEAD"]


def change(before: str | None, after: str | None, *, event: str = "1", kind: str = "A", task: str = "t") -> Change:
    return Change(tenant="t", task_id=task, type=kind, before=before, after=after, event=digest(task, event))


def test_deltas() -> None:
    assert delta(change(None, "READY")) == {"state:READY": 1, "type:A:READY": 1}
    assert delta(change("READY", "RUNNING")) == {
        "state:READY": -1,
        "type:A:READY": -1,
        "state:RUNNING": 1,
        "type:A:RUNNING": 1,
    }
    assert delta(change("DEAD", None)) == {"state:DEAD": -1, "type:A:DEAD": -1}


def test_a_write_that_leaves_the_state_is_nothing() -> None:
    assert apply(b"", [change("RUNNING", "RUNNING")]) is None


def test_there_and_back_is_no_delta_but_is_remembered() -> None:
    """Delivered again in halves, one half alone would count."""
    there, back = change("READY", "RUNNING", event="1"), change("RUNNING", "READY", event="2")
    applied = apply(b"", [there, back])
    assert applied is not None
    assert applied.deltas == {}
    assert apply(applied.memory, [back]) is None


def test_the_same_event_twice_in_one_batch_counts_once() -> None:
    applied = apply(b"", [change(None, "READY")] * 2)
    assert applied is not None
    assert applied.deltas["state:READY"] == 1


def test_the_memory_is_bounded_and_what_comes_again_is_young_again() -> None:
    first = change(None, "READY", event="first")
    memory = b""
    for at in range(MEMORY):
        applied = apply(memory, [first, change(None, "READY", event=str(at))])
        assert applied is not None
        memory = applied.memory
        assert len(memory) <= MEMORY * DIGEST_BYTES
    assert apply(memory, [first]) is None


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """One stream shard's events: tasks that are put, go from state to state, and may be removed, interleaved."""
    tasks: list[list[Change]] = []
    for at in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from("AB"))
        path: list[str | None] = [None, *draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=8))]
        if draw(st.booleans()):
            path.append(None)
        tasks.append(
            [
                change(before, after, event=str(step), kind=kind, task=str(at))
                for step, (before, after) in enumerate(pairwise(path))
            ]
        )
    events = []
    while tasks := [task for task in tasks if task]:
        events.append(draw(st.sampled_from(tasks)).pop(0))
    return events


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Change], list[list[Change]]]:
    """A history, and the batches in which it is delivered: each batch may come again whole, in halves, from any event
    on, before the next one."""
    events = draw(histories())
    batches = []
    start = 0
    while start < len(events):
        end = draw(st.integers(start + 1, len(events)))
        batches.append(events[start:end])
        for _ in range(draw(st.integers(0, 3))):
            begin = draw(st.integers(start, end - 1))
            batches.append(events[begin : draw(st.integers(begin + 1, end))])
        start = end
    return events, batches


def of_records(events: list[Change]) -> Counter[str]:
    """The counts that the records themselves give, after `events`."""
    records = {event.task_id: (event.type, event.after) for event in events}
    counted: Counter[str] = Counter()
    for kind, state in records.values():
        if state is not None:
            counted.update([state_counter(state), type_counter(kind, state)])
    return counted


def counted(batches: list[list[Change]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    memory = b""
    for batch in batches:
        applied = apply(memory, batch)
        if applied is not None:
            counts.update(applied.deltas)
            memory = applied.memory
    return counts


@given(deliveries())
def test_counts_are_the_records_counts(delivered: tuple[list[Change], list[list[Change]]]) -> None:
    events, batches = delivered
    assert +counted(batches) == of_records(events)
    assert min(counted(batches).values(), default=0) >= 0


@given(st.lists(deliveries(), min_size=2, max_size=3), st.randoms())
def test_several_stream_shards_may_be_interleaved(
    shards: list[tuple[list[Change], list[list[Change]]]], random: object
) -> None:
    """Each in its own order; another's batches may come between a batch and its repetition."""
    queues = [[[renamed(event, at) for event in batch] for batch in batches] for at, (_, batches) in enumerate(shards)]
    merged = []
    while queues := [queue for queue in queues if queue]:
        merged.append(random.choice(queues).pop(0))  # type: ignore[attr-defined]
    total: Counter[str] = Counter()
    for events, _ in shards:
        total.update(of_records(events))
    assert +counted(merged) == total


def renamed(event: Change, shard: int) -> Change:
    return Change(
        tenant=event.tenant,
        task_id=f"{shard}-{event.task_id}",
        type=event.type,
        before=event.before,
        after=event.after,
        event=digest(str(shard), event.event.hex()),
    )
