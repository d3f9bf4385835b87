"""Entry point of the worker functions, one per lane: an SQS batch in, the ids that stay in the queue out."""

from __future__ import annotations

import logging
import os
import time
from functools import cache
from typing import Any

from functions.core.wakeup import WakeUp
from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from functions.runtime.metrics import Metrics
from functions.worker import redaction
from functions.worker.batch import Batch
from functions.worker.execution import Executor
from functions.worker.pipeline import Message, Pipeline

logger = logging.getLogger("taskyard.worker")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: SQS records (events/worker/). Returns `batchItemFailures`; raises nothing that a record caused."""
    batch = services()
    messages, unreadable = [], []
    for record in event["Records"]:
        try:
            messages.append(message(record))
        except ValueError as error:
            # Not ours: it goes to the DLQ after its receives, where the dead-letter function reports it.
            logger.error("unreadable message %s: %s", record.get("messageId"), error)
            unreadable.append(record["messageId"])
    ends_at = wiring.clock() + context.get_remaining_time_in_millis()
    kept = batch.run(messages, invocation=context.aws_request_id, ends_at=ends_at)
    batch.pipeline.metrics.flush(wiring.clock())
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in (*unreadable, *kept)]}


def message(record: dict[str, Any]) -> Message:
    attributes = record["attributes"]
    return Message(
        id=record["messageId"],
        receipt=record["receiptHandle"],
        wakeup=WakeUp.parse(record["body"]),
        sent_at=int(attributes["SentTimestamp"]),
        receives=int(attributes["ApproximateReceiveCount"]),
    )


@cache
def services() -> Batch:
    environment = WorkerEnvironment.from_env(os.environ)
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    redaction.install()
    pipeline = Pipeline(
        tasks=wiring.task_store(environment),
        documents=wiring.documents(environment, environment.document_bucket),
        effects=wiring.effects(environment, environment.document_bucket),
        dispatcher=wiring.dispatcher(environment),
        consequences=wiring.consequences(environment),
        registry=wiring.registry,
        executor=Executor(),
        mail=wiring.mail(environment.mail_from, environment.mail_senders),
        http=wiring.http_client(environment.webhook_reach),
        secrets=wiring.webhook_secrets(environment.webhook_secrets),
        metrics=Metrics(environment.name),
        clock=wiring.clock,
        lane=environment.lane,
        invocation_ms=environment.worker_timeout_seconds * 1000,
        writer_ms=wiring.writer_ms(environment),
        pause=time.sleep,
    )
    return Batch(pipeline=pipeline, queues=wiring.queues(environment))
