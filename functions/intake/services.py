"""What takes requests and firings, put together from a function's settings."""

from __future__ import annotations

from functools import partial

from functions.aws.clients import client
from functions.aws.schedules import Schedules
from functions.intake.firings import Firing
from functions.intake.submission import Submission
from functions.runtime import wiring
from functions.runtime.environment import IntakeSettings
from functions.runtime.metrics import Metrics
from functions.store.schedules import ScheduleStore


def submission(settings: IntakeSettings) -> Submission:
    return Submission(
        tasks=wiring.task_store(settings),
        documents=wiring.documents(settings, settings.document_bucket),
        dispatcher=wiring.dispatcher(settings),
        consequences=wiring.consequences(settings),
        registry=wiring.registry,
        timeout_limit=settings.timeout_limit,
        webhook_reach=settings.webhook_reach,
    )


def schedule_store(settings: IntakeSettings) -> ScheduleStore:
    return ScheduleStore(table=wiring.table(settings), shards=settings.listing_shards)


def schedules(settings: IntakeSettings) -> Schedules:
    return Schedules(
        partial(client, "scheduler"), settings.schedule_group, settings.schedule_role_arn, settings.firing_arn
    )


def firing(settings: IntakeSettings, submission: Submission, metrics: Metrics) -> Firing:
    return Firing(
        schedules=schedule_store(settings),
        tasks=wiring.task_store(settings),
        submission=submission,
        metrics=metrics,
    )
