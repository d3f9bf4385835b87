"""The use cases of the API. Each is wired when the first request needs it: a health check makes no client."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from functions.api.monitor.stats import Stats
from functions.api.tasks.listing import TaskListing
from functions.core.errors import UnknownTaskType
from functions.core.pools import Routing
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.runtime.metrics import Metrics
from functions.store.counters import Counters
from functions.store.documents import Documents
from functions.store.listings import DEAD_LETTERS, Listings
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    # These import pydantic or all task types, which requests that read do not need.
    from functions.api.audit.reader import AuditReader
    from functions.api.audit.recorder import AuditRecorder
    from functions.api.bulk_requests import BulkRequests
    from functions.api.dead_letters.dead_letters import DeadLetters
    from functions.api.notifications.reader import NotificationReader
    from functions.api.schedules.reader import ScheduleReader
    from functions.api.tasks.batch import BatchSubmission
    from functions.api.tasks.bulk_cancel import BulkCancel
    from functions.api.tasks.changes import TaskChanges
    from functions.api.workflows.reader import WorkflowReader
    from functions.api.workflows.workflows import Workflows
    from functions.intake.schedules import Schedules
    from functions.intake.submission import Submission
    from functions.intake.workflow_submission import WorkflowSubmission
    from functions.store.audit import AuditStore


class Services:
    """One per process."""

    def __init__(self, environment: ApiEnvironment) -> None:
        self.environment = environment
        self.metrics = Metrics(environment.name)

    @property
    def timeout_limit(self) -> int:
        """Seconds: the most that a task of the default pool may ask for."""
        return self.environment.timeout_limit

    @property
    def longest_timeout_limit(self) -> int:
        """Seconds: the most that a task of any pool may ask for."""
        from functions.intake.submission import timeout_limit_of

        return max(timeout_limit_of(pool, self.timeout_limit) for pool in wiring.registry().pools.values())

    @cached_property
    def tasks(self) -> TaskStore:
        return wiring.task_store(self.environment)

    @cached_property
    def documents(self) -> Documents:
        return wiring.documents(self.environment, self.environment.document_bucket)

    @cached_property
    def routing(self) -> Routing:
        return wiring.routing(self.environment)

    @cached_property
    def submission(self) -> Submission:
        from functions.intake import services as intake_services

        return intake_services.submission(self.environment)

    @cached_property
    def changes(self) -> TaskChanges:
        from functions.api.tasks.changes import TaskChanges

        return TaskChanges(
            tasks=self.tasks,
            documents=self.documents,
            dispatcher=wiring.dispatcher(self.environment),
            consequences=wiring.consequences(self.environment),
            registry=wiring.registry,
            clock=wiring.clock,
        )

    @cached_property
    def batch(self) -> BatchSubmission:
        from functions.api.tasks.batch import BatchSubmission

        return BatchSubmission(self.submission)

    @cached_property
    def bulk_cancel(self) -> BulkCancel:
        from functions.api.tasks.bulk_cancel import BulkCancel

        return BulkCancel(
            changes=self.changes, listings=Listings(self.tasks), canonical_type=canonical_type, clock=wiring.clock
        )

    @cached_property
    def bulk_requests(self) -> BulkRequests:
        from functions.api.bulk_requests import BulkRequests
        from functions.store.bulk_answers import BulkAnswerStore

        return BulkRequests(answers=BulkAnswerStore(wiring.table(self.environment)), clock=wiring.clock)

    @cached_property
    def audit_store(self) -> AuditStore:
        from functions.store.audit import AuditStore

        return AuditStore(
            table=wiring.table(self.environment), retention_seconds=self.environment.audit_retention_days * 86_400
        )

    @cached_property
    def audit_recorder(self) -> AuditRecorder:
        from functions.api.audit.recorder import AuditRecorder

        return AuditRecorder(store=self.audit_store, metrics=self.metrics)

    @cached_property
    def audit_reader(self) -> AuditReader:
        from functions.api.audit.reader import AuditReader

        return AuditReader(self.audit_store)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from functions.api.dead_letters.dead_letters import DeadLetters

        return DeadLetters(
            tasks=self.tasks,
            letters=Listings(self.tasks, DEAD_LETTERS),
            dispatcher=wiring.dispatcher(self.environment),
            consequences=wiring.consequences(self.environment),
            registry=wiring.registry,
            clock=wiring.clock,
        )

    @cached_property
    def listing(self) -> TaskListing:
        return TaskListing(Listings(self.tasks), canonical_type, self.routing)

    @cached_property
    def workflows(self) -> Workflows:
        from functions.api.workflows.workflows import Workflows

        return Workflows(
            runs=wiring.run_store(self.environment),
            submission=self.workflow_submission,
            notifications=wiring.notification_starter(self.environment),
        )

    @cached_property
    def workflow_submission(self) -> WorkflowSubmission:
        from functions.intake import services as intake_services

        return intake_services.workflow_submission(self.environment)

    @cached_property
    def notifications(self) -> NotificationReader:
        from functions.api.notifications.reader import NotificationReader
        from functions.store.notifications import NotificationStore

        return NotificationReader(
            NotificationStore(table=wiring.table(self.environment), shards=self.environment.listing_shards)
        )

    @cached_property
    def workflow_reader(self) -> WorkflowReader:
        from functions.api.workflows.reader import WorkflowReader

        return WorkflowReader(
            runs=wiring.run_store(self.environment),
            tasks=self.tasks,
            documents=self.documents,
            members=wiring.run_consequences(self.environment),
        )

    @cached_property
    def schedules(self) -> Schedules:
        from functions.intake import services as intake_services

        return intake_services.schedules(self.environment, self.submission, self.metrics)

    @cached_property
    def schedule_reader(self) -> ScheduleReader:
        from functions.api.schedules.reader import SCHEDULE_INDEX, ScheduleReader

        return ScheduleReader(
            schedules=self.schedules, listings=Listings(self.tasks, SCHEDULE_INDEX), clock=wiring.clock
        )

    @cached_property
    def stats(self) -> Stats:
        return Stats(Counters(wiring.table(self.environment)), wiring.queues(self.environment), Listings(self.tasks))


def canonical_type(name: str) -> str:
    """A name that no task type of this deployment has stays as it is: tasks of a removed type can still be listed."""
    try:
        return wiring.registry().find(name).name
    except UnknownTaskType:
        return name
