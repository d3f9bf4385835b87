"""Schedules as the API answers them: one with all of its template, or a page of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.api.paging import newest_ids
from functions.api.request import QueryParameters
from functions.api.schedules.views import list_entry, schedule_view
from functions.core.schedules.schedule import Schedule
from functions.intake.schedules import Schedules
from functions.store import keys
from functions.store.listings import ListingIndex, Listings

if TYPE_CHECKING:
    from functions.api.schedules import schemas

SCHEDULE_INDEX = ListingIndex("listing", "listPk", "listSk", keys.schedule_listing_partition)
CURSOR_SCOPE = "schedules"


@dataclass(frozen=True, kw_only=True)
class ScheduleReader:
    """`clock`: epoch ms."""

    schedules: Schedules
    listings: Listings
    clock: Callable[[], int]

    def view(self, schedule: Schedule) -> schemas.ScheduleAnswer:
        return schedule_view(schedule, self.schedules.read_workflow(schedule), now=self.clock())

    def page(self, tenant: str, query: QueryParameters) -> schemas.ScheduleList:
        """Newest first."""
        page = newest_ids(self.listings, tenant, query, scope=CURSOR_SCOPE)
        schedules = self.schedules.schedules.get_by_ids(tenant, page.ids)
        now = self.clock()
        return {
            "schedules": [list_entry(schedules[each], now=now) for each in page.ids if each in schedules],
            "cursor": page.cursor,
        }
