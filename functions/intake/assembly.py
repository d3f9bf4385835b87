"""What takes requests and firings, put together from a function's settings."""

from __future__ import annotations

from functions.intake.firings import Firing
from functions.intake.submission import Submission
from functions.runtime import wiring
from functions.runtime.metrics import Metrics
from functions.runtime.settings import IntakeSettings


def submission(settings: IntakeSettings) -> Submission:
    return Submission(
        tasks=wiring.task_store(settings),
        documents=wiring.documents(settings, settings.document_bucket),
        dispatcher=wiring.dispatcher(settings),
        consequences=wiring.consequences(settings),
        registry=wiring.registry,
        timeout_limit=settings.timeout_limit,
    )


def firing(settings: IntakeSettings, submission: Submission, metrics: Metrics) -> Firing:
    return Firing(
        schedules=wiring.schedule_store(settings),
        tasks=wiring.task_store(settings),
        submission=submission,
        metrics=metrics,
    )
