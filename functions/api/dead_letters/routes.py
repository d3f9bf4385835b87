"""Routes of dead letters: tasks that ended as FAILED or DEAD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response, task_response
from functions.api.routing import KEY_OF_CHANGE, TYPE_PARAMETER, QueryParameter, ResponseDescription, Route
from functions.core.audit import Action
from functions.core.roles import Role

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

TIME = {"type": "string", "format": "date-time"}


def list_dead_letters(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.dead_letters.page(request.query, tenant=request.tenant))


def redrive(request: ApiRequest) -> Response[str]:
    services, body = request.services, request.optional_body()
    view = services.bulk_requests.answer_once(
        request.tenant,
        "redrive",
        body,
        request.idempotency_key,
        lambda: services.dead_letters.redrive(request.tenant, body, by=request.principal.name),
    )
    return json_response(200, view)


def retry_task(request: ApiRequest) -> Response[str]:
    task = request.services.dead_letters.retry(
        request.tenant, request.id, request.optional_body(), request.idempotency_key, by=request.principal.name
    )
    return task_response(request, task)


ROUTES = (
    Route(
        method="POST",
        path="/tasks/{id}/retry",
        name="retryTask",
        summary="Run a dead letter again, now",
        tag="dead letters",
        handler=retry_task,
        role=Role.SUBMITTER,
        audit=Action.TASK_RETRY,
        id_of="task",
        idempotency_key=KEY_OF_CHANGE,
        body="functions.api.dead_letters.requests:RetryTask",
        body_optional=True,
        answers={200: ResponseDescription("The task after the change.", "functions.intake.task_schemas:Task")},
        conflict="The task is no dead letter (`state` says what it is), or others keep changing it.",
    ),
    Route(
        method="GET",
        path="/dead-letters",
        name="listDeadLetters",
        summary="Tasks that ended as FAILED or DEAD, the latest first",
        tag="dead letters",
        handler=list_dead_letters,
        role=Role.VIEWER,
        query=(
            TYPE_PARAMETER,
            QueryParameter(
                "errorType", {"type": "string", "maxLength": 256}, "Class of the last error, e.g. TimedOut."
            ),
            QueryParameter("since", TIME, "Ended at this time or later."),
            QueryParameter("until", TIME, "Ended before this time."),
            *page_parameters("Tasks"),
        ),
        answers={200: ResponseDescription("A page.", "functions.api.schemas:TaskList")},
    ),
    Route(
        method="POST",
        path="/dead-letters/redrive",
        name="redrive",
        summary="Run dead letters again, by filter and slowly",
        tag="dead letters",
        handler=redrive,
        role=Role.ADMIN,
        audit=Action.DEAD_LETTERS_REDRIVE,
        audit_counts=("matched", "redriven", "skipped"),
        idempotency_key=KEY_OF_CHANGE,
        body="functions.api.dead_letters.requests:Redrive",
        body_optional=True,
        answers={
            200: ResponseDescription(
                "How many, and where to go on.", "functions.api.dead_letters.schemas:RedriveAnswer"
            )
        },
    ),
)
