"""What must hold of schedules: one task or run for each of their times, and no other."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from functions.core.schedules.schedule import Overlap, Schedule, minute_of, referenced_run
from functions.core.states import TERMINAL
from functions.core.times import epoch_ms
from functions.core.workflows.run import OPEN_RUN_STATES
from functions.store import keys
from functions.store.schedules import schedule_from_item
from tests.simulation.deployment import ACCOUNT, SCHEDULES_GROUP
from tests.simulation.fibers import MS

if TYPE_CHECKING:
    from tests.simulation.world import World

Item = dict[str, Any]


class ScheduleRules:
    def __init__(self, world: World) -> None:
        self.world = world
        self.accepted: set[str] = set()
        self.deleted: set[str] = set()
        """Their delete was answered with 204."""
        self.versions: dict[str, list[tuple[int, Schedule | None]]] = defaultdict(list)
        """What the record was from when on (microseconds); None: deleted."""
        self.tasks: dict[str, str] = {}
        """Idempotency key → reference to a task or a run."""
        self.times: dict[str, set[int]] = defaultdict(set)
        """Of the tasks and runs that firings made, epoch ms."""
        self.given_up: dict[str, set[int]] = defaultdict(set)
        """Times that were counted as skipped or missed, or that Scheduler could not deliver."""

    def lost(self, given: str) -> None:
        """Scheduler gave a firing up."""
        fields = json.loads(given)
        self.given_up[fields["schedule"]].add(minute_of(epoch_ms(fields["scheduledTime"])))

    def at(self, identity: str, when: int) -> Schedule | None:
        """The record as it was then."""
        found = None
        for since, schedule in self.versions[identity]:
            if since <= when:
                found = schedule
        return found

    # -- writes

    def write(self, process: Any, before: Item | None, after: Item | None) -> None:
        """Of a schedule's record."""
        item = after or before
        assert item is not None
        identity = item["pk"]["S"].rpartition("#")[2]
        schedule = schedule_from_item(after, None) if after is not None else None
        if self.world.log is not None:
            shown = "deleted" if schedule is None else f"version {schedule.version}{' paused' * schedule.paused}"
            self.world.trace(process.name, f"    schedule {identity[-8:]}: {shown}")
        if before is not None and after is not None and int(after["version"]["N"]) != int(before["version"]["N"]) + 1:
            self.world.violate(f"schedule {identity}: a change was lost")
        if process.function != "api":
            self.world.violate(f"schedule {identity} is changed by {process.name}")
        self.versions[identity].append((self.world.hub.now, schedule))

    def fired(self, after: Item) -> None:
        """What became of a firing was written."""
        identity = after["pk"]["S"].rpartition("#")[2]
        for name in ("skippedAt", "missedAt"):
            if name in after:
                self.given_up[identity].add(int(after[name]["N"]))

    def created(self, process: Any, task: str, item: Item) -> None:
        """A task or a run was made; whether a schedule made it, its key says. `task`: reference to it."""
        key = item["idempotencyKey"]["S"] if "idempotencyKey" in item else ""
        if not key.startswith("schedule:"):
            return
        violate = self.world.violate
        if self.tasks.setdefault(key, task) != task:
            violate(f"{key} has two tasks or runs")
        _, identity, when = key.split(":", 2)
        if when.startswith("run:"):
            return
        at = epoch_ms(when)
        self.times[identity].add(at)
        self.world.count("runs of schedules" if referenced_run(task) else "tasks of schedules")
        known = [schedule for _, schedule in self.versions[identity] if schedule is not None]
        if not any(at in schedule.timetable.next_times(at - 1, 1) for schedule in known):
            violate(f"{key}: that is none of its times")
        if at > self.world.hub.now // MS:
            violate(f"{key} is made before its time")
        if process.function == "firing":
            self._by_firing(process, key, identity)

    def _by_firing(self, process: Any, key: str, identity: str) -> None:
        violate = self.world.violate
        seen = [schedule for since, schedule in self.versions[identity] if since >= process.began]
        seen.append(self.at(identity, process.began))
        if not any(schedule is not None and not schedule.paused for schedule in seen):
            violate(f"{key} is made by {process.name}, and the schedule was paused or deleted before that began")
        if all(schedule is None or schedule.overlap is Overlap.SKIP for schedule in seen):
            for other, task in self.tasks.items():
                if other.startswith(f"schedule:{identity}:") and other != key and ":run:" not in other:
                    state = self._state(task)
                    if state in OPEN_RUN_STATES if referenced_run(task) else state not in TERMINAL:
                        violate(f"{key} is made while the one of {other} is {state}")

    def _state(self, reference: str) -> str:
        run = referenced_run(reference)
        if run is None:
            found = self.world.table.item(keys.task_partition(ACCOUNT, reference), keys.TASK)
        else:
            found = self.world.table.item(keys.run_key(ACCOUNT, run)["pk"]["S"], keys.WORKFLOW)
        return found["state"]["S"] if found else "not there"

    # -- at rest

    def at_rest(self) -> None:
        violate = self.world.violate
        there = {name[:26] for name in self.world.timers.names(SCHEDULES_GROUP)}
        for identity in sorted(self.accepted):
            if identity not in self.versions:
                violate(f"schedule {identity} was accepted and has no record")
        for identity, versions in self.versions.items():
            last = versions[-1][1]
            if identity in self.deleted and (last is not None or identity in there):
                violate(f"schedule {identity} is there though its delete was answered with 204")
            if last is not None and not last.paused and identity not in there:
                violate(f"schedule {identity} is not in Scheduler")
            if len(versions) == 1 and last is not None and not self._is_changing(identity):
                self._complete(last, versions[0][0])

        self._documents()

    def _documents(self) -> None:
        """The workflow of each schedule can be read."""
        for identity, versions in self.versions.items():
            last = versions[-1][1]
            if last is None or last.workflow is None:
                continue
            document = last.workflow.document
            if document.inline is None and self.world.document(identity, document) is None:
                self.world.violate(f"schedule {identity}: its workflow {document.ref} is gone")

    def _is_changing(self, identity: str) -> bool:
        """A change that was not stored, or its repair, has changed Scheduler. This may cost a firing."""
        return any(name.startswith(identity) for name in self.world.timers.changed)

    def _complete(self, schedule: Schedule, since: int) -> None:
        """Nobody has touched it: each of its times has its task, or has been given up."""
        assert schedule.end_at is not None
        # The first minute may be the one in which it was being made.
        for at in schedule.timetable.times_after(since // MS + 60_000):
            if at not in self.times[schedule.id] and at not in self.given_up[schedule.id]:
                self.world.violate(f"schedule {schedule.id}: nothing became of {at}")
        if self.world.faults.calm and schedule.overlap is Overlap.ALLOW and self.given_up[schedule.id]:
            self.world.violate(f"schedule {schedule.id}: firings were missed with no fault to blame")
