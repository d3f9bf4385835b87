"""Builds the services that take requests and firings, from the environment of a function."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from functions.aws.clients import client
from functions.aws.recurring_schedules import RecurringSchedules
from functions.core.pools import BANDS, DEFAULT_POOL
from functions.intake.firings import Firings
from functions.intake.submission import Submission
from functions.runtime import wiring
from functions.runtime.environment import WORKER_MARGIN_SECONDS, IntakeEnvironment, WorkerEnvironment
from functions.runtime.metrics import Metrics
from functions.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from functions.intake.admission import Admission
    from functions.intake.schedules import Schedules
    from functions.intake.workflow_submission import WorkflowSubmission


def submission(environment: IntakeEnvironment) -> Submission:
    return Submission(
        tasks=wiring.task_store(environment),
        documents=wiring.documents(environment, environment.document_bucket),
        dispatcher=wiring.dispatcher(environment),
        consequences=wiring.consequences(environment),
        registry=wiring.registry,
        timeout_limit=environment.timeout_limit,
        webhook_reach=environment.webhook_reach,
        admission=admission(environment),
    )


def worker_submission(environment: WorkerEnvironment) -> Submission:
    """For handlers that submit. Quotas are for callers: what a task leads to is not counted."""
    of_default_pool = environment.worker_timeout_seconds
    if environment.lane not in BANDS:
        of_default_pool = wiring.registry().pools[DEFAULT_POOL].timeout_seconds
    return Submission(
        tasks=wiring.task_store(environment),
        documents=wiring.documents(environment, environment.document_bucket),
        dispatcher=wiring.dispatcher(environment),
        consequences=wiring.consequences(environment),
        registry=wiring.registry,
        timeout_limit=of_default_pool - WORKER_MARGIN_SECONDS,
        webhook_reach=environment.webhook_reach,
    )


def workflow_submission(environment: IntakeEnvironment) -> WorkflowSubmission:
    from functions.intake.workflow_submission import WorkflowSubmission

    return WorkflowSubmission(
        runs=wiring.run_store(environment),
        documents=wiring.documents(environment, environment.document_bucket),
        executions=wiring.executions(),
        machine_arn=environment.run_machine_arn,
        registry=wiring.registry,
        timeout_limit=environment.timeout_limit,
        routing=wiring.routing(environment),
        webhook_reach=environment.webhook_reach,
        admission=admission(environment),
    )


def admission(environment: IntakeEnvironment) -> Admission | None:
    """None: the deployment has no quotas."""
    if environment.quotas is None:
        return None
    from functions.core.quotas import QuotaRules
    from functions.intake.admission import Admission
    from functions.store.quotas import QuotaStore

    return Admission(
        rules=QuotaRules.from_json(environment.quotas),
        usage=QuotaStore(wiring.table(environment)),
        schedules=schedule_store(environment),
    )


def schedule_store(environment: IntakeEnvironment) -> ScheduleStore:
    return ScheduleStore(table=wiring.table(environment), shards=environment.listing_shards)


def recurring_schedules(environment: IntakeEnvironment) -> RecurringSchedules:
    return RecurringSchedules(
        partial(client, "scheduler"), environment.schedule_group, environment.schedule_role_arn, environment.firing_arn
    )


def firings(environment: IntakeEnvironment, submission: Submission, metrics: Metrics) -> Firings:
    return Firings(
        schedules=schedule_store(environment),
        tasks=wiring.task_store(environment),
        runs=wiring.run_store(environment),
        documents=submission.documents,
        # A schedule was admitted when it was created: its firings are under no quota.
        submission=replace(submission, admission=None),
        workflows=lambda: replace(workflow_submission(environment), admission=None),
        metrics=metrics,
    )


def schedules(environment: IntakeEnvironment, submission: Submission, metrics: Metrics) -> Schedules:
    from functions.intake.schedule_templates import TemplateValidation
    from functions.intake.schedules import Schedules

    return Schedules(
        schedules=schedule_store(environment),
        scheduler=recurring_schedules(environment),
        submission=submission,
        templates=TemplateValidation(submission=submission, workflows=partial(workflow_submission, environment)),
        firing=firings(environment, submission, metrics),
        documents=submission.documents,
        clock=wiring.clock,
    )
