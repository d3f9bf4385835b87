"""Records come back as they were put, and a small task's stays within one write unit all its life."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.retry import RetryPolicy

from functions.core.failure import failure_of
from functions.core.settlement import Settlement, ended_attempt
from functions.core.states import State
from functions.core.task import ATTEMPT_HISTORY_LIMIT, Attempt, Document, Task, id_for_key
from functions.store.documents import PAYLOAD_INLINE_BYTES, RESULT_INLINE_BYTES
from functions.store.records import (
    history_text,
    parse_attempt,
    parse_retry_policy,
    retry_policy_text,
    task_from_item,
    task_to_item,
)
from functions.store.table import Table, Updated
from functions.store.tasks import TaskStore

NOW = 1_770_000_000_000
UNIT = 1024
"""Bytes that one write unit pays for."""

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
times = st.integers(0, 2**43)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    strategy=st.sampled_from(["exponential", "fixed"]),
    base_seconds=st.floats(0, 1e9) | st.integers(0, 10**6).map(float),
    max_seconds=st.floats(0, 1e9),
    jitter=st.floats(0, 1),
)
attempts = st.builds(
    Attempt,
    number=st.integers(1, 99),
    started_at=times,
    ended_at=times,
    outcome=st.sampled_from(["SUCCESS", "RETRY", "FAILED", "DEAD", "LOST"]),
    error_type=st.none() | words,
    error=st.none() | words,
    where=st.none() | words,
    traceback=st.none() | words,
    log=st.lists(words, max_size=3).map(tuple),
)
tasks = st.builds(
    Task,
    tenant=words,
    id=words.filter(lambda task_id: "#" not in task_id),
    type=words,
    state=st.sampled_from(State),
    created_at=times,
    available_at=times,
    generation=st.integers(1, 1000),
    attempt=st.integers(0, 100),
    priority=st.integers(0, 9),
    timeout_seconds=st.integers(1, 900),
    retry=policies,
    payload=st.builds(Document, inline=words) | st.builds(Document, inline=st.none(), ref=words),
    mask=st.none() | st.just(1) | st.dictionaries(words, st.just(1), min_size=1, max_size=3),
    digest=words,
    idempotency_key=st.none() | words,
    tags=st.dictionaries(words, words, max_size=3),
    reason=st.none() | words,
    dependencies=st.lists(words, max_size=3).map(tuple),
    waiting_for=st.frozensets(words, max_size=3),
)


@given(tasks)
def test_a_task_comes_back_as_it_was_put(task: Task) -> None:
    assert task_from_item(task_to_item(task, shards=4)) == task


@given(policies)
def test_a_policy_comes_back(kept: RetryPolicy) -> None:
    assert parse_retry_policy(retry_policy_text(kept)) == kept


@given(st.lists(attempts, max_size=ATTEMPT_HISTORY_LIMIT))
def test_history_comes_back_but_for_logs_and_tracebacks_of_older_attempts(history: list[Attempt]) -> None:
    kept = [parse_attempt(fields) for fields in json.loads(history_text(tuple(history)))]
    assert kept == [
        replace(
            entry,
            log=entry.log if at >= len(history) - 3 else (),
            traceback=entry.traceback if at == len(history) - 1 else None,
        )
        for at, entry in enumerate(history)
    ]


# -- the size of a record, step by step


def size(item: dict[str, Any]) -> int:
    """Bytes, as DynamoDB counts them: names and texts in UTF-8; numbers a byte for two digits, and one more."""
    total = 0
    for name, value in item.items():
        [(kind, held)] = value.items()
        total += len(name.encode())
        if kind == "S":
            total += len(held.encode())
        elif kind == "N":
            total += (len(held.strip("-0")) + 1) // 2 + 1
        elif kind == "SS":
            total += 3 + sum(len(member.encode()) + 1 for member in held)
        else:
            total += 1
    return total


class OneItem(Table):
    """A table of one item (`client["item"]`) that applies the store's updates, and notes in `client["sizes"]` the
    largest size in each state."""

    def put(self, item: dict[str, Any], *, if_absent: bool) -> Updated:
        return self._noted(dict(item))

    def update(self, key: Any, update: str, *, condition: str, values: Any, names: Any = None) -> Updated:
        item = dict(self.client["item"])
        sets, _, removed = update.removeprefix("SET ").partition(" REMOVE ")
        for assignment in sets.split(", "):
            name, _, value = assignment.partition(" = ")
            name = name.lstrip("#")
            of, _, more = value.partition(" + ")
            item[name] = {"N": str(int(item[of]["N"]) + int(values[more]["N"]))} if more else values[value]
        for name in filter(None, removed.split(", ")):
            item.pop(name.lstrip("#"), None)
        return self._noted(item)

    def _noted(self, item: dict[str, Any]) -> Updated:
        sizes, state = self.client["sizes"], item["state"]["S"]
        sizes[state] = max(size(item), sizes.get(state, 0))
        self.client["item"] = item
        return Updated(item)


def lived(**fields: Any) -> tuple[TaskStore, Task, dict[str, int]]:
    """A claimed task with names and lengths as in production, and the sizes so far."""
    client: dict[str, Any] = {"sizes": {}}
    store = TaskStore(table=OneItem(client, "table"), shards=8, retention_seconds=604_800)
    tenant = "123456789012"
    task = Task(
        **{
            "tenant": tenant,
            "id": id_for_key(tenant, "key"),
            "type": "DELAYED_MESSAGE",
            "state": State.PENDING,
            "created_at": NOW,
            "available_at": NOW + 1,
            "timeout_seconds": 300,
            "retry": RetryPolicy(),
            "payload": Document(inline="x" * PAYLOAD_INLINE_BYTES),
            "digest": "d" * 64,
            "idempotency_key": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        }
        | fields
    )
    store.create(task)
    holder = "8476a536-e9f4-11e8-9739-2dfe598c3fcd/0"
    claimed = store.claim(tenant, task.id, 1, now=NOW, lease_until=NOW + 302_000, holder=holder).task
    assert claimed is not None
    return store, claimed, client["sizes"]


def test_a_small_task_stays_within_one_write_unit() -> None:
    """Payload and result as long as they may be to ride along."""
    store, task, sizes = lived()
    settled = Settlement(state=State.SUCCESS, attempt=ended_attempt(task, "SUCCESS", now=NOW))
    store.settle(task, settled, result=Document(inline="x" * RESULT_INLINE_BYTES))
    assert set(sizes) == {"PENDING", "RUNNING", "SUCCESS"}
    assert max(sizes.values()) <= UNIT, sizes


def test_a_message_of_a_sentence_with_its_log_line_stays_within_one_write_unit() -> None:
    message = "x" * 140
    store, task, sizes = lived(payload=Document(inline=json.dumps({"message": message})))
    settled = Settlement(state=State.SUCCESS, attempt=ended_attempt(task, "SUCCESS", now=NOW, log=(message,)))
    store.settle(task, settled, result=Document(inline=json.dumps({"message": message[:100]})))
    assert max(sizes.values()) <= UNIT, sizes


@pytest.mark.parametrize("state", [State.RETRY, State.DEAD])
def test_a_first_failure_with_its_traceback_stays_within_one_write_unit(state: State) -> None:
    """An ordinary one: an error with its cause, of a task with an idempotency key."""

    def sync() -> None:
        try:
            raise KeyError("customer")
        except KeyError as error:
            raise RuntimeError("sync failed") from error

    try:
        sync()
    except RuntimeError as error:
        failed = replace(failure_of(error), where="tasks/synchronize.py:33")
    # The frame that called it is the worker's, in production.
    chain = "\n".join(line for line in str(failed.chain).split("\n") if not line.endswith("_write_unit"))
    chain = chain.replace(__file__, "tasks/synchronize.py")
    store, task, sizes = lived(payload=Document(inline="x" * 60))
    attempt = ended_attempt(task, state, now=NOW, failed=replace(failed, chain=chain))
    due = NOW + 2000 if state is State.RETRY else None
    settled = Settlement(state=state, attempt=attempt, reason="attempt 1 of 4 failed", available_at=due)
    assert store.settle(task, settled).task.history[-1].traceback == chain  # type: ignore[union-attr]
    assert max(sizes.values()) <= UNIT, sizes


def test_a_first_retry_stays_within_one_write_unit() -> None:
    store, task, sizes = lived(payload=Document(inline="x" * 100))
    again = ended_attempt(task, "RETRY", now=NOW)
    store.settle(task, Settlement(state=State.RETRY, attempt=again, reason="a reason", available_at=NOW + 2000))
    assert max(sizes.values()) <= UNIT, sizes
