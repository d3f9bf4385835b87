"""The use cases, each put together when the first request needs it: a health check makes no client."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from functions.api.monitor.stats import Stats
from functions.api.tasks.listing import Listing
from functions.core.errors import UnknownTaskType
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.runtime.metrics import Metrics
from functions.store.counters import Counters
from functions.store.documents import Documents
from functions.store.listings import DEAD, Listings
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    # Pydantic and the handlers of all task types: reading requests never need them.
    from functions.api.bulk_requests import BulkRequests
    from functions.api.dead_letters.redrive import Desk
    from functions.api.notifications.listing import NotificationLook
    from functions.api.schedules.schedules import Schedules
    from functions.api.tasks.batch import Batch
    from functions.api.tasks.bulk_cancel import BulkCancel
    from functions.api.tasks.changes import Changes
    from functions.api.workflows.queries import WorkflowLook
    from functions.api.workflows.workflows import Workflows
    from functions.intake.submission import Submission


class Parts:
    """One per process."""

    def __init__(self, environment: ApiEnvironment) -> None:
        self.environment = environment
        self.metrics = Metrics(environment.name)

    @property
    def timeout_limit(self) -> int:
        return self.environment.timeout_limit

    @cached_property
    def tasks(self) -> TaskStore:
        return wiring.task_store(self.environment)

    @cached_property
    def documents(self) -> Documents:
        return wiring.documents(self.environment, self.environment.document_bucket)

    @cached_property
    def submission(self) -> Submission:
        from functions.intake import services as intake_services

        return intake_services.submission(self.environment)

    @cached_property
    def changes(self) -> Changes:
        from functions.api.tasks.changes import Changes

        return Changes(
            tasks=self.tasks,
            documents=self.documents,
            dispatcher=wiring.dispatcher(self.environment),
            consequences=wiring.consequences(self.environment),
            registry=wiring.registry,
            clock=wiring.clock,
        )

    @cached_property
    def batch(self) -> Batch:
        from functions.api.tasks.batch import Batch

        return Batch(self.submission)

    @cached_property
    def bulk_cancel(self) -> BulkCancel:
        from functions.api.tasks.bulk_cancel import BulkCancel

        return BulkCancel(changes=self.changes, listings=Listings(self.tasks), canonical=canonical, clock=wiring.clock)

    @cached_property
    def bulk_requests(self) -> BulkRequests:
        from functions.api.bulk_requests import BulkRequests
        from functions.store.bulk_answers import AnswerStore

        return BulkRequests(answers=AnswerStore(wiring.table(self.environment)), clock=wiring.clock)

    @cached_property
    def desk(self) -> Desk:
        from functions.api.dead_letters.redrive import Desk

        return Desk(
            tasks=self.tasks,
            letters=Listings(self.tasks, DEAD),
            dispatcher=wiring.dispatcher(self.environment),
            consequences=wiring.consequences(self.environment),
            registry=wiring.registry,
            clock=wiring.clock,
        )

    @cached_property
    def listing(self) -> Listing:
        return Listing(Listings(self.tasks), canonical)

    @cached_property
    def workflows(self) -> Workflows:
        from functions.api.workflows.workflows import Workflows

        return Workflows(
            runs=wiring.run_store(self.environment),
            documents=self.documents,
            executions=wiring.executions(),
            machine_arn=self.environment.run_machine_arn,
            registry=wiring.registry,
            timeout_limit=self.timeout_limit,
            notifications=wiring.notifications(self.environment),
            webhook_reach=self.environment.webhook_reach,
        )

    @cached_property
    def notifications(self) -> NotificationLook:
        from functions.api.notifications.listing import NotificationLook
        from functions.store.notifications import NotificationStore

        return NotificationLook(
            NotificationStore(table=wiring.table(self.environment), shards=self.environment.listing_shards)
        )

    @cached_property
    def workflow_look(self) -> WorkflowLook:
        from functions.api.workflows.queries import WorkflowLook

        return WorkflowLook(
            runs=wiring.run_store(self.environment),
            tasks=self.tasks,
            documents=self.documents,
            members=wiring.run_consequences(self.environment),
        )

    @cached_property
    def schedules(self) -> Schedules:
        from functions.api.schedules.schedules import SCHEDULES, Schedules
        from functions.intake import services as intake_services

        return Schedules(
            schedules=intake_services.schedule_store(self.environment),
            scheduler=intake_services.schedules(self.environment),
            submission=self.submission,
            firing=intake_services.firing(self.environment, self.submission, self.metrics),
            listings=Listings(self.tasks, SCHEDULES),
            clock=wiring.clock,
        )

    @cached_property
    def stats(self) -> Stats:
        return Stats(Counters(wiring.table(self.environment)), wiring.queues(self.environment), Listings(self.tasks))


def canonical(name: str) -> str:
    """Tasks of a type that this deployment no longer has can still be listed, under their own name."""
    try:
        return wiring.registry().find(name).name
    except UnknownTaskType:
        return name
