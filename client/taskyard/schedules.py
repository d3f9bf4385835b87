"""`Taskyard.schedules` and `AsyncTaskyard.schedules`: tasks that are submitted again and again."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard import schedule_calls as calls
from taskyard.calls import PAGE_LIMIT, UNSET, Unset
from taskyard.model import Task
from taskyard.schedule_model import Schedule, SchedulePage
from taskyard.workflows import AsyncPerform, Perform


@dataclass(frozen=True)
class Schedules:
    perform: Perform

    def create(
        self,
        task: Mapping[str, Any],
        *,
        cron: str | None = None,
        rate: str | None = None,
        timezone: str | None = None,
        name: str | None = None,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        paused: bool | None = None,
        overlap: str | None = None,
        catch_up: str | None = None,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """task: as POST /tasks takes it, `{"type": …, "payload": …}`. cron: five fields as in Unix; or rate:
        `5 minutes`. overlap: allow or skip. catch_up: none or last. Raises InvalidRequest with the fields at fault."""
        return self.perform(
            calls.create(
                task,
                cron=cron,
                rate=rate,
                timezone=timezone,
                name=name,
                start_at=start_at,
                end_at=end_at,
                paused=paused,
                overlap=overlap,
                catch_up=catch_up,
                idempotency_key=idempotency_key,
            )
        )

    def get(self, schedule_id: str) -> Schedule:
        return self.perform(calls.get(schedule_id))

    def page(self, limit: int | None = None, cursor: str | None = None) -> SchedulePage:
        return self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> Iterator[Schedule]:
        """Newest first, at most `limit` in all."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            found = self.page(None if left is None else min(left, PAGE_LIMIT), cursor)
            yield from found.schedules[:left]
            left = None if left is None else left - len(found.schedules)
            cursor = found.cursor
            if cursor is None:
                return

    def update(
        self,
        schedule_id: str,
        *,
        task: Mapping[str, Any] | None = None,
        cron: str | None = None,
        rate: str | None = None,
        timezone: str | None = None,
        name: str | Unset | None = UNSET,
        start_at: datetime | Unset | None = UNSET,
        end_at: datetime | Unset | None = UNSET,
        paused: bool | None = None,
        overlap: str | None = None,
        catch_up: str | None = None,
    ) -> Schedule:
        """What is left out stays; None takes name, start_at and end_at away."""
        return self.perform(
            calls.update(
                schedule_id,
                task=task,
                cron=cron,
                rate=rate,
                timezone=timezone,
                name=name,
                start_at=start_at,
                end_at=end_at,
                paused=paused,
                overlap=overlap,
                catch_up=catch_up,
            )
        )

    def pause(self, schedule_id: str) -> Schedule:
        """Nothing is submitted until it is resumed."""
        return self.perform(calls.update(schedule_id, paused=True))

    def resume(self, schedule_id: str) -> Schedule:
        """With catch_up "last", what was missed meanwhile is submitted once."""
        return self.perform(calls.update(schedule_id, paused=False))

    def delete(self, schedule_id: str) -> None:
        """Its tasks stay. Raises NotFound; also when the answer to a first try was lost, and this is the second."""
        self.perform(calls.delete(schedule_id))

    def run(self, schedule_id: str, idempotency_key: str | None = None) -> Task:
        """Submit its task now, once for each key."""
        return self.perform(calls.run(schedule_id, idempotency_key))


@dataclass(frozen=True)
class AsyncSchedules:
    """`Schedules` with `await`."""

    perform: AsyncPerform

    async def create(
        self,
        task: Mapping[str, Any],
        *,
        cron: str | None = None,
        rate: str | None = None,
        timezone: str | None = None,
        name: str | None = None,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        paused: bool | None = None,
        overlap: str | None = None,
        catch_up: str | None = None,
        idempotency_key: str | None = None,
    ) -> Schedule:
        return await self.perform(
            calls.create(
                task,
                cron=cron,
                rate=rate,
                timezone=timezone,
                name=name,
                start_at=start_at,
                end_at=end_at,
                paused=paused,
                overlap=overlap,
                catch_up=catch_up,
                idempotency_key=idempotency_key,
            )
        )

    async def get(self, schedule_id: str) -> Schedule:
        return await self.perform(calls.get(schedule_id))

    async def page(self, limit: int | None = None, cursor: str | None = None) -> SchedulePage:
        return await self.perform(calls.page(limit, cursor))

    async def list(self, limit: int | None = None) -> AsyncIterator[Schedule]:
        """Newest first, at most `limit` in all."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            found = await self.page(None if left is None else min(left, PAGE_LIMIT), cursor)
            for schedule in found.schedules[:left]:
                yield schedule
            left = None if left is None else left - len(found.schedules)
            cursor = found.cursor
            if cursor is None:
                return

    async def update(
        self,
        schedule_id: str,
        *,
        task: Mapping[str, Any] | None = None,
        cron: str | None = None,
        rate: str | None = None,
        timezone: str | None = None,
        name: str | Unset | None = UNSET,
        start_at: datetime | Unset | None = UNSET,
        end_at: datetime | Unset | None = UNSET,
        paused: bool | None = None,
        overlap: str | None = None,
        catch_up: str | None = None,
    ) -> Schedule:
        return await self.perform(
            calls.update(
                schedule_id,
                task=task,
                cron=cron,
                rate=rate,
                timezone=timezone,
                name=name,
                start_at=start_at,
                end_at=end_at,
                paused=paused,
                overlap=overlap,
                catch_up=catch_up,
            )
        )

    async def pause(self, schedule_id: str) -> Schedule:
        return await self.perform(calls.update(schedule_id, paused=True))

    async def resume(self, schedule_id: str) -> Schedule:
        return await self.perform(calls.update(schedule_id, paused=False))

    async def delete(self, schedule_id: str) -> None:
        await self.perform(calls.delete(schedule_id))

    async def run(self, schedule_id: str, idempotency_key: str | None = None) -> Task:
        return await self.perform(calls.run(schedule_id, idempotency_key))
