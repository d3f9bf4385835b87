"""Runs, and the records that only gather: joins and tallies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from functions.core.states import State
from functions.core.task import Document
from functions.core.workflows.dag import Tally
from functions.core.workflows.run import RETRIES_LIMIT, Run, RunState, node_id
from functions.store import keys
from functions.store.records import Item, document, dump, indexes_of, indexes_text, number, text
from functions.store.table import ConditionFailed, Table, Updated

OUTLASTS_SECONDS = 7 * 86_400
"""A run's record stays so much longer than anything that its nodes left: under an idempotency key the same run id may
come again, and must not find nodes of the run before. AWS: TTL takes items within a few days of their time."""


@dataclass(frozen=True)
class Gathered:
    """`complete`: everything that the record waits for has arrived, with this arrival or before it."""

    complete: bool


@dataclass(frozen=True, kw_only=True)
class Tallied:
    """`counts`: nodes that have ended, per state. `open`: indexes of the others. `complete`: all tallies are there;
    they are not while a round is being written."""

    counts: dict[str, int]
    open: tuple[int, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class RunStore:
    table: Table
    shards: int
    retention_seconds: int

    def create(self, run: Run) -> Run | None:
        """None when it is new; else the run that has this id already."""
        answer = self.table.put(run_item(run, shards=self.shards), if_absent=True)
        return run_of(answer.item) if isinstance(answer, ConditionFailed) and answer.item else None

    def get(self, tenant: str, run: str) -> Run | None:
        item = self.table.get(keys.run_key(tenant, run))
        return run_of(item) if item else None

    def get_many(self, tenant: str, runs: Iterable[str]) -> dict[str, Run]:
        items = self.table.get_many(keys.run_key(tenant, run) for run in dict.fromkeys(runs))
        return {run.id: run for run in map(run_of, items)}

    def begin(self, run: Run, *, token: str, nth: int, now: int) -> Run | None:
        """RUNNING, with the token that its end is told to. None when it has ended, is in another round, or has the
        token of a later try (`nth`, from 0): Step Functions knows the last one only."""
        return self._update(
            run,
            "SET #state = :running, #token = :token, nth = :nth, startedAt = if_not_exists(startedAt, :now)",
            condition="#state IN (:pending, :running) AND #round = :round"
            " AND (attribute_not_exists(nth) OR nth <= :nth)",
            values={
                ":pending": text(RunState.PENDING),
                ":running": text(RunState.RUNNING),
                ":token": text(token),
                ":nth": number(nth),
                ":now": number(now),
                ":round": number(run.round),
            },
            names={"#token": "token", "#round": "round"},
        )

    def ask_to_cancel(self, run: Run) -> Run | None:
        """The run as it is then: with its token, or `begin` finds what was asked. None when it has ended meanwhile."""
        return self._mark(run.tenant, run.id, run.round, "cancelled")

    def fail(self, tenant: str, run: str, round_: int) -> Run | None:
        """A node failed, and onFailure is cancel: marked before it is told, so that `begin` finds it if nobody waits
        to be told. None when the round is over."""
        return self._mark(tenant, run, round_, "failing")

    def _mark(self, tenant: str, run: str, round_: int, mark: str) -> Run | None:
        answer = self.table.update(
            keys.run_key(tenant, run),
            f"SET {mark} = :yes",
            condition="#state IN (:pending, :running) AND #round = :round",
            values={
                ":yes": {"BOOL": True},
                ":pending": text(RunState.PENDING),
                ":running": text(RunState.RUNNING),
                ":round": number(round_),
            },
            names={"#round": "round"},
        )
        return run_of(answer.item) if isinstance(answer, Updated) else None

    def end(self, run: Run, state: RunState, *, counts: dict[str, int], reason: str | None, now: int) -> Run | None:
        """None when it has ended already, in this round or a later one."""
        because = ", reason = :reason" if reason else ""
        return self._update(
            run,
            f"SET #state = :state, counts = :counts, endedAt = :now, expiresAt = :expires{because} REMOVE #token",
            condition="#state IN (:pending, :running) AND #round = :round",
            values={
                ":state": text(state),
                ":counts": text(dump(counts)),
                ":now": number(now),
                ":expires": number(now // 1000 + run.deadline_seconds + self.retention_seconds + OUTLASTS_SECONDS),
                ":pending": text(RunState.PENDING),
                ":running": text(RunState.RUNNING),
                ":round": number(run.round),
            }
            | ({":reason": text(reason)} if reason else {}),
            names={"#token": "token", "#round": "round"},
        )

    def again(self, run: Run, *, mark: str | None = None) -> Run | None:
        """The next round of a run that has ended; its execution is started already. None when somebody was first.
        `mark`: of the KeyedChange."""
        retries = "" if mark is None else ", retries = :retries"
        return self._update(
            run,
            f"SET #state = :pending, #round = :next{retries}"
            " REMOVE endedAt, expiresAt, counts, reason, cancelled, failing, nth, #token",
            condition="NOT #state IN (:pending, :running) AND #round = :round",
            values={
                ":pending": text(RunState.PENDING),
                ":running": text(RunState.RUNNING),
                ":next": number(run.round + 1),
                ":round": number(run.round),
            }
            | ({} if mark is None else {":retries": text(dump((*run.retries, mark)[-RETRIES_LIMIT:]))}),
            names={"#token": "token", "#round": "round"},
        )

    # -- what only gathers

    def put_join(
        self, run: Run, index: int, *, waits_for: Iterable[int], releases: tuple[int, ...], until: int
    ) -> None:
        """`until`: epoch seconds, the round's deadline.

        Written once a round, before any node of the round can run: a start that is run again, even beside its own
        zombie, must not put back what has arrived since.
        """
        waiting = sorted(map(str, waits_for))
        sets = {
            "#round = :round": number(run.round),
            "releases = :releases": text(indexes_text(releases)),
            "expiresAt = :expires": number(until + self.retention_seconds),
        }
        update = "SET " + ", ".join(sets) + (", waitingFor = :waiting" if waiting else " REMOVE waitingFor")
        self.table.update(
            keys.key(run.tenant, node_id(run.id, index), keys.JOIN),
            update,
            condition="attribute_not_exists(pk) OR #round < :round",
            values={name.split(" = ")[1]: value for name, value in sets.items()}
            | ({":waiting": {"SS": waiting}} if waiting else {}),
        )

    def put_tally(self, run: Run, tally: Tally, *, members: Iterable[int], counts: dict[str, int], until: int) -> None:
        """`until` as of `put_join`."""
        item: Item = {
            **keys.tally_key(run.tenant, run.id, run.round, tally.level, tally.number),
            "expiresAt": number(until + self.retention_seconds),
        }
        if waiting := sorted(map(str, members)):
            item["waitingFor"] = {"SS": waiting}
        item |= {f"count{state}": number(count) for state, count in counts.items() if count}
        self.table.put(item, if_absent=True)

    def join_releases(self, tenant: str, run: str, index: int) -> tuple[int, ...]:
        item = self.table.get(keys.key(tenant, node_id(run, index), keys.JOIN))
        return indexes_of((item or {}).get("releases"))

    def arrive_at_join(self, tenant: str, run: str, index: int, arrived: int) -> tuple[Gathered, tuple[int, ...]]:
        """Also returns what the join releases."""
        key = keys.key(tenant, node_id(run, index), keys.JOIN)
        gathered, item = self._arrive(key, arrived)
        return gathered, indexes_of(item.get("releases"))

    def arrive_at_tally(
        self, tenant: str, run: str, round_: int, tally: Tally, arrived: int, *, state: State | None
    ) -> Gathered:
        """`state`: what a node ended as: counted once, however often it arrives."""
        key = keys.tally_key(tenant, run, round_, tally.level, tally.number)
        return self._arrive(key, arrived, state=state)[0]

    def tallies(self, run: Run, count: int) -> Tallied:
        """Of this round so far, over the `count` tallies of level 0."""
        wanted = (keys.tally_key(run.tenant, run.id, run.round, 0, at) for at in range(count))
        items = self.table.get_many(wanted, consistent=True)
        sums: dict[str, int] = {}
        for item in items:
            for name, value in item.items():
                if name.startswith("count"):
                    state = name.removeprefix("count")
                    sums[state] = sums.get(state, 0) + int(value["N"])
        waiting = (int(index) for item in items if "waitingFor" in item for index in item["waitingFor"]["SS"])
        return Tallied(counts=sums, open=tuple(sorted(waiting)), complete=len(items) == count)

    def root_complete(self, run: Run, tally: Tally) -> bool:
        item = self.table.get(keys.tally_key(run.tenant, run.id, run.round, tally.level, tally.number))
        return item is not None and "waitingFor" not in item

    def _arrive(self, key: keys.Key, arrived: int, *, state: State | None = None) -> tuple[Gathered, Item]:
        """Takes one out of the set, if it is in it: exactly once, and idempotent."""
        add = f" ADD count{state} :one" if state else ""
        answer = self.table.update(
            key,
            "DELETE waitingFor :arrived" + add,
            condition="contains(waitingFor, :member)",
            values={":arrived": {"SS": [str(arrived)]}, ":member": text(str(arrived))}
            | ({":one": number(1)} if state else {}),
        )
        item = answer.item or {}
        # No record at all: not of this round, or expired. Nothing is complete that was never begun.
        there = isinstance(answer, Updated) or answer.item is not None
        return Gathered(there and "waitingFor" not in item), item

    # -- chunks of a node with many neighbours

    def put_chunks(self, tenant: str, task_id: str, kind: str, chunks: Iterable[tuple[int, ...]]) -> None:
        for at, indexes in enumerate(chunks):
            item: Item = {**keys.key(tenant, task_id, f"{kind}#{at:03d}"), "indexes": text(indexes_text(indexes))}
            self.table.put(item, if_absent=False)

    def chunks(self, tenant: str, task_id: str, kind: str, count: int) -> tuple[int, ...]:
        """All of them, in order. `kind`: RELEASES or UPSTREAMS."""
        found = self.table.get_many(keys.key(tenant, task_id, f"{kind}#{at:03d}") for at in range(count))
        return tuple(
            index
            for item in sorted(found, key=lambda item: str(item["sk"]["S"]))
            for index in indexes_of(item["indexes"])
        )

    def _update(self, run: Run, update: str, **arguments: Any) -> Run | None:
        answer = self.table.update(keys.run_key(run.tenant, run.id), update, **arguments)
        return run_of(answer.item) if isinstance(answer, Updated) else None


def run_item(run: Run, *, shards: int) -> Item:
    item: Item = {
        **keys.run_key(run.tenant, run.id),
        "listPk": text(keys.run_listing_partition(run.tenant, keys.shard(run.id, shards))),
        "listSk": text(keys.time_sort(run.created_at, run.id)),
        "name": text(run.name),
        "state": text(run.state),
        "round": number(run.round),
        "nodes": number(run.nodes),
        "edges": number(run.edges),
        "createdAt": number(run.created_at),
        "deadlineSeconds": number(run.deadline_seconds),
        "onFailure": text(run.on_failure),
        "digest": text(run.digest),
        **document("definition", run.definition),
    }
    if run.idempotency_key is not None:
        item["idempotencyKey"] = text(run.idempotency_key)
    if run.notify:
        item["notify"] = text(dump(run.notify))
    return item


def run_of(item: Item) -> Run:
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
        cancelled="cancelled" in item,
        retries=tuple(json.loads(item["retries"]["S"])) if "retries" in item else (),
        failing="failing" in item,
        reason=string("reason"),
        counts=json.loads(item["counts"]["S"]) if "counts" in item else {},
        expires_at=integer("expiresAt"),
    )
