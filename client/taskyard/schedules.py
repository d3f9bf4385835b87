"""`Taskyard.schedules` and `AsyncTaskyard.schedules`: tasks that are submitted again and again."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from taskyard import schedule_calls as calls
from taskyard.following import each, each_awaited
from taskyard.model import Task
from taskyard.options import ScheduleOptions
from taskyard.schedule_model import Schedule, SchedulePage
from taskyard.workflows import AsyncPerform, Perform


@dataclass(frozen=True)
class Schedules:
    perform: Perform

    def create(
        self, task: Mapping[str, Any], *, idempotency_key: str | None = None, **options: Unpack[ScheduleOptions]
    ) -> Schedule:
        """task: as POST /tasks takes it, `{"type": …, "payload": …}`. Options: cron or rate, timezone,
        name, start_at, end_at, paused, overlap, catch_up. Raises InvalidRequest with the fields at fault."""
        return self.perform(calls.create(task, idempotency_key=idempotency_key, **options))

    def get(self, schedule_id: str) -> Schedule:
        return self.perform(calls.get(schedule_id))

    def page(self, limit: int | None = None, cursor: str | None = None) -> SchedulePage:
        return self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> Iterator[Schedule]:
        """Newest first, at most `limit` in all."""
        return each(self.page, lambda page: page.schedules, limit)

    def update(
        self, schedule_id: str, *, task: Mapping[str, Any] | None = None, **options: Unpack[ScheduleOptions]
    ) -> Schedule:
        """What is left out stays; None takes name, start_at and end_at away."""
        return self.perform(calls.update(schedule_id, task=task, **options))

    def pause(self, schedule_id: str) -> Schedule:
        """Nothing is submitted until it is resumed."""
        return self.update(schedule_id, paused=True)

    def resume(self, schedule_id: str) -> Schedule:
        """With catch_up "last", what was missed meanwhile is submitted once."""
        return self.update(schedule_id, paused=False)

    def delete(self, schedule_id: str) -> None:
        """Its tasks stay. Raises NotFound."""
        self.perform(calls.delete(schedule_id))

    def run(self, schedule_id: str, idempotency_key: str | None = None) -> Task:
        """Submit its task now, once for each key."""
        return self.perform(calls.run(schedule_id, idempotency_key))


@dataclass(frozen=True)
class AsyncSchedules:
    """`Schedules` with `await`."""

    perform: AsyncPerform

    async def create(
        self, task: Mapping[str, Any], *, idempotency_key: str | None = None, **options: Unpack[ScheduleOptions]
    ) -> Schedule:
        return await self.perform(calls.create(task, idempotency_key=idempotency_key, **options))

    async def get(self, schedule_id: str) -> Schedule:
        return await self.perform(calls.get(schedule_id))

    async def page(self, limit: int | None = None, cursor: str | None = None) -> SchedulePage:
        return await self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> AsyncIterator[Schedule]:
        return each_awaited(self.page, lambda page: page.schedules, limit)

    async def update(
        self, schedule_id: str, *, task: Mapping[str, Any] | None = None, **options: Unpack[ScheduleOptions]
    ) -> Schedule:
        return await self.perform(calls.update(schedule_id, task=task, **options))

    async def pause(self, schedule_id: str) -> Schedule:
        return await self.update(schedule_id, paused=True)

    async def resume(self, schedule_id: str) -> Schedule:
        return await self.update(schedule_id, paused=False)

    async def delete(self, schedule_id: str) -> None:
        await self.perform(calls.delete(schedule_id))

    async def run(self, schedule_id: str, idempotency_key: str | None = None) -> Task:
        return await self.perform(calls.run(schedule_id, idempotency_key))
