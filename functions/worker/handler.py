"""Entry point of the worker functions, one per lane: an SQS batch in, the ids of the messages that stay out."""

from __future__ import annotations

import logging
import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from functions.runtime.metrics import Metrics
from functions.worker import redaction
from functions.worker.attempts import AttemptRunner
from functions.worker.batch import BatchRunner
from functions.worker.execution import Executor
from functions.worker.messages import Message
from functions.worker.pipeline import Pipeline
from functions.worker.upstream_results import UpstreamResults

if TYPE_CHECKING:
    from functions.intake.children import ChildSubmission

logger = logging.getLogger("taskyard.worker")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: SQS records (events/worker/). Returns `batchItemFailures`. No record makes it raise."""
    batch = services()
    messages, unreadable = [], []
    for record in event["Records"]:
        try:
            messages.append(Message.from_sqs(record))
        except ValueError as error:
            # Not a wake-up: SQS moves it to the DLQ after its receives, and the dead-letter function reports it.
            logger.error("unreadable message %s: %s", record.get("messageId"), error)
            unreadable.append(record["messageId"])
    ends_at = wiring.clock() + context.get_remaining_time_in_millis()
    remaining = batch.run(messages, invocation=context.aws_request_id, ends_at=ends_at)
    batch.pipeline.metrics.flush(wiring.clock())
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in (*unreadable, *remaining)]}


@cache
def services() -> BatchRunner:
    environment = WorkerEnvironment(os.environ)
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    redaction.install_filter()

    @cache
    def children() -> ChildSubmission:
        """The imports of a submit, pydantic among them, are for handlers that submit."""
        from functions.intake.children import ChildSubmission
        from functions.intake.services import worker_submission

        return ChildSubmission(worker_submission(environment))

    tasks = wiring.task_store(environment)
    documents = wiring.documents(environment, environment.document_bucket)
    consequences = wiring.consequences(environment)
    metrics = Metrics(environment.name)
    attempts = AttemptRunner(
        tasks=tasks,
        documents=documents,
        effects=wiring.effects(environment, environment.document_bucket),
        upstream_results=UpstreamResults(tasks, documents, wiring.run_consequences(environment)),
        registry=wiring.registry,
        executor=Executor(),
        mail=wiring.mail(environment.mail_from, environment.mail_senders),
        http=wiring.http_client(environment.webhook_reach),
        secrets=wiring.webhook_secrets(environment.webhook_secrets),
        children=children,
        handler_secrets=wiring.handler_secrets(environment.handler_secrets),
        metrics=metrics,
        clock=wiring.clock,
        lane=environment.lane,
    )
    pipeline = Pipeline(
        tasks=tasks,
        documents=documents,
        dispatcher=wiring.dispatcher(environment),
        consequences=consequences,
        attempts=attempts,
        metrics=metrics,
        clock=wiring.clock,
        lane=environment.lane,
        invocation_ms=environment.worker_timeout_seconds * 1000,
        writer_ms=wiring.writer_ms(environment),
        pause=time.sleep,
    )
    return BatchRunner(pipeline=pipeline, queues=wiring.queues(environment))
