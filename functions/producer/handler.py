"""Entry point of two functions: firing, which EventBridge Scheduler alone may invoke, and producer, which takes submits
without HTTP from whoever may invoke it.

A submit: `{"submit": {…as POST /tasks}, "idempotencyKey": …}`;
its answer: `{"status": 201, "task": {…}}` or `{"status": 422, "problem": {…}}`.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from functions.core.errors import FieldError, InvalidRequest
from functions.runtime import wiring
from functions.runtime.environment import ProducerEnvironment
from functions.runtime.metrics import Metrics

if TYPE_CHECKING:
    # Pydantic and the handlers of all task types: imported with the first event.
    from functions.intake.submission import Submission
    from functions.producer.firing import Fire

logger = logging.getLogger("taskyard.producer")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    parts = services()
    try:
        door = unqualified(context.invoked_function_arn)
        if "Records" in event and door == parts.environment.firing_arn:
            return again(event, context)
        return take(event, context, door)
    finally:
        parts.metrics.flush(wiring.clock())


def take(event: Mapping[str, Any], context: Any, door: str) -> dict[str, Any]:
    """`door`: the ARN of the function that was invoked with it."""
    if "submit" in event and door != services().environment.firing_arn:
        return submit(event, context, door)
    return fire(event, door)


def again(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Invocations that Lambda had given up, of both functions, from the queue that they are put in: one a message.
    Lambda says in it whose they were, and not whoever made them."""
    failed = []
    for record in event["Records"]:
        try:
            given_up = json.loads(record["body"])
            take(given_up["requestPayload"], context, unqualified(given_up["requestContext"]["functionArn"]))
        except Exception:
            logger.warning("failed again", exc_info=True, extra={"messageId": record.get("messageId")})
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def unqualified(function_arn: str) -> str:
    """Without version or alias."""
    return ":".join(function_arn.split(":")[:7])


def fire(event: Mapping[str, Any], door: str) -> dict[str, Any]:
    from functions.producer.firing import FiringEvent

    now = wiring.clock()
    try:
        firing_event = FiringEvent.read(event, now=now)
    except ValueError as error:
        # Not ours: tried again, it would be the same.
        logger.error("unreadable event: %s", error)
        return {"outcome": "dropped", "reason": str(error), "task": None}
    fired = services().fire.take(firing_event, door=door, now=now)
    level = logging.WARNING if fired.outcome == "dropped" else logging.INFO
    extra = {"schedule": firing_event.schedule, "taskId": fired.task}
    logger.log(level, "%s %s", fired.outcome, fired.reason, extra=extra)
    return {"outcome": str(fired.outcome), "reason": fired.reason, "task": fired.task}


def submit(event: Mapping[str, Any], context: Any, door: str) -> dict[str, Any]:
    """Whoever may invoke the producer may submit: IAM has decided that before."""
    from functions.intake import body, problems
    from functions.intake import task_views as views
    from functions.intake.principal import principal_of_invocation

    parts, now = services(), wiring.clock()
    try:
        who = principal_of_invocation(door, tenant_from=parts.environment.tenant_from)
        if unknown := [name for name in event if name not in ("submit", "idempotencyKey")]:
            raise InvalidRequest([FieldError(name, "is not a known field") for name in unknown])
        # The same reader as for HTTP, and so the same rules.
        asked = body.read(json.dumps(event["submit"]), is_base64=False, content_type=None)
        key = event.get("idempotencyKey")
        if key is not None and not isinstance(key, str):
            raise InvalidRequest([FieldError("idempotencyKey", "must be a string")])
        if key is not None and asked.setdefault("idempotencyKey", key) != key:
            raise InvalidRequest([FieldError("idempotencyKey", "is not the same as submit.idempotencyKey; give one")])
        done = parts.submission.submit(asked, None, tenant=who.tenant, now=now, random=secrets.randbits(80))
    except Exception as error:
        found = problems.problem_of(error, request_id=context.aws_request_id)
        return {"status": found.status, "problem": dict(found.document)}
    if not done.created:
        return {"status": 200, "task": views.detail(done.task, parts.submission.documents, now=now)}
    parts.metrics.count("TaskSubmitted", lane=done.task.lane)
    return {"status": 201, "task": views.submitted_detail(done.task, done.payload, now=now)}


class Parts:
    """Put together when the first event needs them."""

    def __init__(self, environment: ProducerEnvironment) -> None:
        self.environment = environment
        self.metrics = Metrics(environment.name)

    @cached_property
    def submission(self) -> Submission:
        from functions.intake import services as intake_services

        return intake_services.submission(self.environment)

    @cached_property
    def fire(self) -> Fire:
        from functions.intake import services as intake_services
        from functions.producer.firing import Fire

        return Fire(
            schedules=intake_services.schedule_store(self.environment),
            scheduler=intake_services.schedules(self.environment),
            firing=intake_services.firing(self.environment, self.submission, self.metrics),
            door=self.environment.firing_arn,
            writer_ms=wiring.API_TIMEOUT_SECONDS * 1000,
        )


@cache
def services() -> Parts:
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Parts(ProducerEnvironment.from_env(os.environ))
