"""The records of runs, and of their joins and tallies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from functions.core.states import State
from functions.core.task import Document
from functions.core.workflows.run import RETRY_MARKS_LIMIT, Run, RunState, node_task_id
from functions.core.workflows.tallies import Tally
from functions.store import keys
from functions.store.records import (
    Item,
    document_attributes,
    indexes_text,
    number_value,
    parse_indexes,
    string_value,
    to_json,
)
from functions.store.table import ConditionFailed, Table, Updated

RUN_OUTLASTS_NODES_SECONDS = 7 * 86_400
"""A run's record outlasts the records of its nodes by so much: with an idempotency key the same run id may come again,
and must not find nodes of the earlier run. AWS: TTL removes items within a few days of their time."""


class Arrival(NamedTuple):
    """`complete`: all that the record waits for has arrived, with this arrival or before."""

    complete: bool


class TallySummary(NamedTuple):
    """`counts`: nodes that have ended, per state. `open`: indexes of the others. `complete`: all tallies exist; they do
    not while a round is being written."""

    counts: dict[str, int]
    open: tuple[int, ...]
    complete: bool


class RunStore:
    def __init__(self, *, table: Table, shards: int, retention_seconds: int) -> None:
        self.table = table
        self.shards = shards
        self.retention_seconds = retention_seconds

    def create(self, run: Run) -> Run | None:
        """None when the run is new; otherwise the existing run of this id."""
        answer = self.table.put(run_to_item(run, shards=self.shards), if_absent=True)
        return run_from_item(answer.item) if isinstance(answer, ConditionFailed) and answer.item else None

    def get(self, tenant: str, run: str) -> Run | None:
        item = self.table.get(keys.run_key(tenant, run))
        return run_from_item(item) if item else None

    def get_by_ids(self, tenant: str, runs: Iterable[str]) -> dict[str, Run]:
        items = self.table.get_items(keys.run_key(tenant, run) for run in dict.fromkeys(runs))
        return {run.id: run for run in map(run_from_item, items)}

    def start(self, run: Run, *, token: str, nth: int, now: int) -> Run | None:
        """RUNNING, with the task token that its end completes. None when the run has ended, is in another round, or has
        the token of a later try (`nth`, from 0): Step Functions accepts the last token only."""
        return self._update(
            run,
            "SET #state = :running, #token = :token, nth = :nth, startedAt = if_not_exists(startedAt, :now)",
            condition="#state IN (:pending, :running) AND #round = :round"
            " AND (attribute_not_exists(nth) OR nth <= :nth)",
            values={
                ":pending": string_value(RunState.PENDING),
                ":running": string_value(RunState.RUNNING),
                ":token": string_value(token),
                ":nth": number_value(nth),
                ":now": number_value(now),
                ":round": number_value(run.round),
            },
            names={"#token": "token", "#round": "round"},
        )

    def request_cancel(self, run: Run) -> Run | None:
        """The run after the write: with its token, or without one, when `start` will find the request. None when the
        run has ended."""
        return self._set_flag(run.tenant, run.id, run.round, "cancelled")

    def mark_failing(self, tenant: str, run: str, round_: int) -> Run | None:
        """A node failed, and onFailure is cancel. The mark is written before the execution is notified, so that `start`
        finds it when no execution waits yet. None when the round is over."""
        return self._set_flag(tenant, run, round_, "failing")

    def _set_flag(self, tenant: str, run: str, round_: int, mark: str) -> Run | None:
        answer = self.table.update(
            keys.run_key(tenant, run),
            f"SET {mark} = :yes",
            condition="#state IN (:pending, :running) AND #round = :round",
            values={
                ":yes": {"BOOL": True},
                ":pending": string_value(RunState.PENDING),
                ":running": string_value(RunState.RUNNING),
                ":round": number_value(round_),
            },
            names={"#round": "round"},
        )
        return run_from_item(answer.item) if isinstance(answer, Updated) else None

    def end(self, run: Run, state: RunState, *, counts: dict[str, int], reason: str | None, now: int) -> Run | None:
        """None when the run has already ended, in this round or a later one."""
        because = ", reason = :reason" if reason else ""
        return self._update(
            run,
            f"SET #state = :state, counts = :counts, endedAt = :now, expiresAt = :expires{because} REMOVE #token",
            condition="#state IN (:pending, :running) AND #round = :round",
            values={
                ":state": string_value(state),
                ":counts": string_value(to_json(counts)),
                ":now": number_value(now),
                ":expires": number_value(
                    now // 1000 + run.deadline_seconds + self.retention_seconds + RUN_OUTLASTS_NODES_SECONDS
                ),
                ":pending": string_value(RunState.PENDING),
                ":running": string_value(RunState.RUNNING),
                ":round": number_value(run.round),
            }
            | ({":reason": string_value(reason)} if reason else {}),
            names={"#token": "token", "#round": "round"},
        )

    def start_next_round(self, run: Run, *, mark: str | None = None) -> Run | None:
        """Starts the next round of a run that has ended; its execution is already started. None when another request
        was first. `mark`: of the KeyedChange."""
        retries = "" if mark is None else ", retries = :retries"
        return self._update(
            run,
            f"SET #state = :pending, #round = :next{retries}"
            " REMOVE endedAt, expiresAt, counts, reason, cancelled, failing, nth, #token",
            condition="NOT #state IN (:pending, :running) AND #round = :round",
            values={
                ":pending": string_value(RunState.PENDING),
                ":running": string_value(RunState.RUNNING),
                ":next": number_value(run.round + 1),
                ":round": number_value(run.round),
            }
            | (
                {}
                if mark is None
                else {":retries": string_value(to_json((*run.retry_marks, mark)[-RETRY_MARKS_LIMIT:]))}
            ),
            names={"#token": "token", "#round": "round"},
        )

    # -- joins and tallies

    def put_join(
        self, run: Run, index: int, *, waits_for: Iterable[int], releases: tuple[int, ...], deadline_at: int
    ) -> None:
        """`deadline_at`: epoch seconds, the round's deadline.

        Written once a round, before any node of the round can run. A repeated start, even beside an earlier one that
        still runs, must not restore what has arrived since.
        """
        waiting = sorted(map(str, waits_for))
        sets = {
            "#round = :round": number_value(run.round),
            "releases = :releases": string_value(indexes_text(releases)),
            "expiresAt = :expires": number_value(deadline_at + self.retention_seconds),
        }
        update = "SET " + ", ".join(sets) + (", waitingFor = :waiting" if waiting else " REMOVE waitingFor")
        self.table.update(
            keys.task_key(run.tenant, node_task_id(run.id, index), keys.JOIN),
            update,
            condition="attribute_not_exists(pk) OR #round < :round",
            values={name.split(" = ")[1]: value for name, value in sets.items()}
            | ({":waiting": {"SS": waiting}} if waiting else {}),
        )

    def put_tally(
        self, run: Run, tally: Tally, *, members: Iterable[int], counts: dict[str, int], deadline_at: int
    ) -> None:
        """`deadline_at` as of `put_join`."""
        item: Item = {
            **keys.tally_key(run.tenant, run.id, run.round, tally.level, tally.number),
            "expiresAt": number_value(deadline_at + self.retention_seconds),
        }
        if waiting := sorted(map(str, members)):
            item["waitingFor"] = {"SS": waiting}
        item |= {f"count{state}": number_value(count) for state, count in counts.items() if count}
        self.table.put(item, if_absent=True)

    def join_releases(self, tenant: str, run: str, index: int) -> tuple[int, ...]:
        item = self.table.get(keys.task_key(tenant, node_task_id(run, index), keys.JOIN))
        return parse_indexes((item or {}).get("releases"))

    def arrive_at_join(self, tenant: str, run: str, index: int, arrived: int) -> tuple[Arrival, tuple[int, ...]]:
        """Also returns what the join releases."""
        key = keys.task_key(tenant, node_task_id(run, index), keys.JOIN)
        gathered, item = self._arrive(key, arrived)
        return gathered, parse_indexes(item.get("releases"))

    def arrive_at_tally(
        self, tenant: str, run: str, round_: int, tally: Tally, arrived: int, *, state: State | None
    ) -> Arrival:
        """`state`: the final state of a node. It is counted once, however often the node arrives."""
        key = keys.tally_key(tenant, run, round_, tally.level, tally.number)
        return self._arrive(key, arrived, state=state)[0]

    def summarize_tallies(self, run: Run, count: int) -> TallySummary:
        """Sums of this round so far, over the `count` tallies of level 0."""
        tally_keys = (keys.tally_key(run.tenant, run.id, run.round, 0, at) for at in range(count))
        items = self.table.get_items(tally_keys, consistent=True)
        sums: dict[str, int] = {}
        for item in items:
            for name, value in item.items():
                if name.startswith("count"):
                    state = name.removeprefix("count")
                    sums[state] = sums.get(state, 0) + int(value["N"])
        waiting = (int(index) for item in items if "waitingFor" in item for index in item["waitingFor"]["SS"])
        return TallySummary(counts=sums, open=tuple(sorted(waiting)), complete=len(items) == count)

    def is_root_tally_complete(self, run: Run, tally: Tally) -> bool:
        item = self.table.get(keys.tally_key(run.tenant, run.id, run.round, tally.level, tally.number))
        return item is not None and "waitingFor" not in item

    def _arrive(self, key: keys.Key, arrived: int, *, state: State | None = None) -> tuple[Arrival, Item]:
        """Removes a member from the set `waitingFor`, if it is in it. Idempotent."""
        add = f" ADD count{state} :one" if state else ""
        answer = self.table.update(
            key,
            "DELETE waitingFor :arrived" + add,
            condition="contains(waitingFor, :member)",
            values={":arrived": {"SS": [str(arrived)]}, ":member": string_value(str(arrived))}
            | ({":one": number_value(1)} if state else {}),
        )
        item = answer.item or {}
        # No record: it is of another round, or expired. Then nothing is complete.
        exists = isinstance(answer, Updated) or answer.item is not None
        return Arrival(exists and "waitingFor" not in item), item

    # -- chunks of a node with many neighbours

    def put_chunks(self, tenant: str, task_id: str, kind: str, chunks: Iterable[tuple[int, ...]]) -> None:
        for at, indexes in enumerate(chunks):
            item: Item = {
                **keys.task_key(tenant, task_id, f"{kind}#{at:03d}"),
                "indexes": string_value(indexes_text(indexes)),
            }
            self.table.put(item, if_absent=False)

    def chunks(self, tenant: str, task_id: str, kind: str, count: int) -> tuple[int, ...]:
        """The indexes of all chunks, in order. `kind`: RELEASES or UPSTREAMS."""
        items = self.table.get_items(keys.task_key(tenant, task_id, f"{kind}#{at:03d}") for at in range(count))
        return tuple(
            index
            for item in sorted(items, key=lambda item: str(item["sk"]["S"]))
            for index in parse_indexes(item["indexes"])
        )

    def _update(self, run: Run, update: str, **arguments: Any) -> Run | None:
        answer = self.table.update(keys.run_key(run.tenant, run.id), update, **arguments)
        return run_from_item(answer.item) if isinstance(answer, Updated) else None


def run_to_item(run: Run, *, shards: int) -> Item:
    item: Item = {
        **keys.run_key(run.tenant, run.id),
        "listPk": string_value(keys.run_listing_partition(run.tenant, keys.shard_of(run.id, shards))),
        "listSk": string_value(keys.time_sort_key(run.created_at, run.id)),
        "name": string_value(run.name),
        "state": string_value(run.state),
        "round": number_value(run.round),
        "nodes": number_value(run.nodes),
        "edges": number_value(run.edges),
        "createdAt": number_value(run.created_at),
        "deadlineSeconds": number_value(run.deadline_seconds),
        "onFailure": string_value(run.on_failure),
        "digest": string_value(run.digest),
        **document_attributes("definition", run.definition),
    }
    if run.idempotency_key is not None:
        item["idempotencyKey"] = string_value(run.idempotency_key)
    if run.notify:
        item["notify"] = string_value(to_json(run.notify))
    return item


def run_from_item(item: Item) -> Run:
    def string(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def integer(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    tenant, identifier = keys.tenant_and_run(item["pk"]["S"])
    return Run(
        tenant=tenant,
        id=identifier,
        name=item["name"]["S"],
        state=RunState(item["state"]["S"]),
        round=int(item["round"]["N"]),
        nodes=int(item["nodes"]["N"]),
        edges=int(item["edges"]["N"]),
        created_at=int(item["createdAt"]["N"]),
        started_at=integer("startedAt"),
        ended_at=integer("endedAt"),
        deadline_seconds=int(item["deadlineSeconds"]["N"]),
        on_failure="cancel" if item["onFailure"]["S"] == "cancel" else "continue",
        definition=Document(string("definition"), string("definitionRef")),
        digest=item["digest"]["S"],
        idempotency_key=string("idempotencyKey"),
        notify=tuple(json.loads(item["notify"]["S"])) if "notify" in item else (),
        token=string("token"),
        cancel_requested="cancelled" in item,
        retry_marks=tuple(json.loads(item["retries"]["S"])) if "retries" in item else (),
        has_failed_node="failing" in item,
        reason=string("reason"),
        counts=json.loads(item["counts"]["S"]) if "counts" in item else {},
        expires_at=integer("expiresAt"),
    )
