"""Entry point of two functions: firing, which only EventBridge Scheduler may invoke, and producer, which takes submits
without HTTP from principals that IAM allows to invoke it.

A submit: `{"submit": {…as POST /tasks}, "idempotencyKey": …}`;
its answer: `{"status": 201, "task": {…}}` or `{"status": 422, "problem": {…}}`.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from functions.core.errors import FieldError, InvalidRequest
from functions.core.outline import outline
from functions.runtime import wiring
from functions.runtime.environment import ProducerEnvironment
from functions.runtime.metrics import Metrics

if TYPE_CHECKING:
    # They import pydantic: loaded with the first event.
    from functions.intake.submission import Submission
    from functions.producer.firing import FiringHandler

logger = logging.getLogger("taskyard.producer")

SERVER_ERROR = 500
"""From this status on, the same request may succeed later."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    wired = services()
    try:
        function_arn = unqualified_arn(context.invoked_function_arn)
        if isinstance(event, dict) and "Records" in event and function_arn == wired.environment.firing_arn:
            return handle_failed_invocations(event, context)
        return handle_event(event, context, function_arn)
    finally:
        wired.metrics.flush(wiring.clock())


def handle_event(event: Mapping[str, Any], context: Any, function_arn: str) -> dict[str, Any]:
    """`function_arn`: of the function that was invoked with `event`."""
    if isinstance(event, dict) and "submit" in event and function_arn != services().environment.firing_arn:
        return handle_submit(event, context, function_arn)
    return handle_firing(event, function_arn)


def handle_failed_invocations(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """`event`: SQS records. Each contains an invocation of one of the two functions that Lambda gave up. The function
    is named by Lambda, not by the caller."""
    failed = []
    for record in event["Records"]:
        try:
            invocation = FailedInvocation.parse(record["body"])
        except ValueError as error:
            # A repetition would fail in the same way, every five minutes for a day. The message is deleted; its shape
            # is logged without its values, which may be a payload.
            extra = {"messageId": record.get("messageId"), "shape": outline(record["body"])}
            logger.error("dropped, unreadable: %s", error, extra=extra)
            services().metrics.count("EventUnreadable")
            continue
        try:
            answer = handle_event(invocation.payload, context, invocation.function_arn)
            if answer.get("status", 200) >= SERVER_ERROR:
                # Nobody else reads the answer to this submit.
                raise SubmitFailed(answer["problem"])
        except Exception:
            logger.warning("failed again", exc_info=True, extra={"messageId": record.get("messageId")})
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


class SubmitFailed(Exception):
    """The submit of a failed invocation failed again, by no fault of its own."""


@dataclass(frozen=True)
class FailedInvocation:
    """An invocation that Lambda gave up. `function_arn`: of the function, unqualified."""

    payload: Any
    function_arn: str

    @classmethod
    def parse(cls, body: str) -> FailedInvocation:
        """Raises ValueError when `body` is not Lambda's record of one."""
        try:
            invocation = json.loads(body)
            return cls(invocation["requestPayload"], unqualified_arn(invocation["requestContext"]["functionArn"]))
        except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ValueError("no failed invocation") from error


def unqualified_arn(function_arn: str) -> str:
    """Without version or alias."""
    return ":".join(function_arn.split(":")[:7])


def handle_firing(event: Mapping[str, Any], function_arn: str) -> dict[str, Any]:
    from functions.producer.firing import FiringEvent

    now = wiring.clock()
    try:
        firing_event = FiringEvent.parse(event, now=now)
    except ValueError as error:
        # Not a firing: a repetition would fail in the same way.
        logger.error("unreadable event: %s", error)
        services().metrics.count("EventUnreadable")
        return {"outcome": "dropped", "reason": str(error), "task": None}
    result = services().firing_handler.handle(firing_event, function_arn=function_arn, now=now)
    level = logging.WARNING if result.outcome == "dropped" else logging.INFO
    extra = {"schedule": firing_event.schedule, "taskId": result.task}
    logger.log(level, "%s %s", result.outcome, result.reason, extra=extra)
    return {"outcome": str(result.outcome), "reason": result.reason, "task": result.task}


def handle_submit(event: Mapping[str, Any], context: Any, function_arn: str) -> dict[str, Any]:
    """IAM has allowed the invocation, and so the submit."""
    from functions.intake import body, problems
    from functions.intake import task_views as views
    from functions.intake.principal import principal_of_invocation

    wired, now = services(), wiring.clock()
    try:
        principal = principal_of_invocation(function_arn, wired.environment.auth)
        if unknown := [name for name in event if name not in ("submit", "idempotencyKey")]:
            raise InvalidRequest([FieldError(name, "is not a known field") for name in unknown])
        # Parsed as the body of an HTTP request, under the same rules.
        submit = body.parse(json.dumps(event["submit"]), is_base64=False, content_type=None)
        key = event.get("idempotencyKey")
        if key is not None and not isinstance(key, str):
            raise InvalidRequest([FieldError("idempotencyKey", "must be a string")])
        if key is not None and submit.setdefault("idempotencyKey", key) != key:
            raise InvalidRequest([FieldError("idempotencyKey", "is not the same as submit.idempotencyKey; give one")])
        assert principal.tenant is not None, "it is the account"
        submitted = wired.submission.submit(submit, None, tenant=principal.tenant, now=now, random=secrets.randbits(80))
    except Exception as error:
        problem = problems.problem_of(error, request_id=context.aws_request_id)
        return {"status": problem.status, "problem": dict(problem.document)}
    routing = wired.submission.dispatcher.routing
    if not submitted.created:
        return {"status": 200, "task": views.detail(submitted.task, wired.submission.documents, routing, now=now)}
    wired.metrics.count("TaskSubmitted", lane=routing.lane_of_task(submitted.task))
    return {"status": 201, "task": views.submitted_detail(submitted.task, submitted.payload, routing, now=now)}


class Services:
    """Each service is built on first use."""

    def __init__(self, environment: ProducerEnvironment) -> None:
        self.environment = environment
        self.metrics = Metrics(environment.name)

    @cached_property
    def submission(self) -> Submission:
        from functions.intake import services as intake_services

        return intake_services.submission(self.environment)

    @cached_property
    def firing_handler(self) -> FiringHandler:
        from functions.intake import services as intake_services
        from functions.producer.firing import FiringHandler

        return FiringHandler(
            schedules=intake_services.schedule_store(self.environment),
            scheduler=intake_services.recurring_schedules(self.environment),
            firings=intake_services.firings(self.environment, self.submission, self.metrics),
            firing_arn=self.environment.firing_arn,
            writer_ms=wiring.API_TIMEOUT_SECONDS * 1000,
        )


@cache
def services() -> Services:
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Services(ProducerEnvironment(os.environ))
