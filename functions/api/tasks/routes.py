"""Routes of tasks."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response, location_header, no_content, task_response
from functions.api.routing import (
    KEY_OF_CHANGE,
    KEY_OF_SUBMIT,
    TASK_LOCATION,
    TYPE_PARAMETER,
    QueryParameter,
    ResponseDescription,
    Route,
)
from functions.core.audit import Action
from functions.core.errors import NotFound
from functions.core.roles import Role
from functions.core.states import State
from functions.intake import task_views as views

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

TASK = "functions.intake.task_schemas:Task"
STARTED = "The task has started or is settled (`state` says which), or others keep changing it."
STATE_PARAMETER = QueryParameter(
    "state",
    {"type": "string", "enum": [*map(str, State), ""]},
    "As the task would read now: a PENDING task that is due is READY. Empty: all.",
)


def submit_task(request: ApiRequest) -> Response[str]:
    services, now = request.services, request.now
    submitted = services.submission.submit(
        request.body(), request.idempotency_key, tenant=request.tenant, now=now, random=secrets.randbits(80)
    )
    task = submitted.task
    headers = location_header(f"/tasks/{task.id}")
    if not submitted.created:
        return json_response(200, views.detail(task, services.documents, services.routing, now=now), headers)
    services.metrics.count("TaskSubmitted", lane=services.routing.lane_of_task(task))
    services.metrics.flush(now)
    return json_response(201, views.submitted_detail(task, submitted.payload, services.routing, now=now), headers)


def list_tasks(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.listing.page(request.query, tenant=request.tenant, now=request.now))


def get_task(request: ApiRequest) -> Response[str]:
    task = request.services.tasks.get(request.tenant, request.id)
    if task is None:
        raise NotFound("task", request.id)
    return task_response(request, task)


def change_task(request: ApiRequest) -> Response[str]:
    task = request.services.changes.change(request.tenant, request.id, request.body(), request.idempotency_key)
    return task_response(request, task)


def cancel_task(request: ApiRequest) -> Response[str]:
    request.services.changes.cancel(request.tenant, request.id)
    return no_content()


def submit_batch(request: ApiRequest) -> Response[str]:
    services, now = request.services, request.now
    view, created = services.batch.submit(
        request.body(),
        tenant=request.tenant,
        now=now,
        random=lambda: secrets.randbits(80),
        request_id=request.request_id,
    )
    for task in created:
        services.metrics.count("TaskSubmitted", lane=services.routing.lane_of_task(task))
    services.metrics.flush(now)
    return json_response(200, view)


def cancel_tasks(request: ApiRequest) -> Response[str]:
    services, body = request.services, request.body()
    view = services.bulk_requests.answer_once(
        request.tenant,
        "cancel",
        body,
        request.idempotency_key,
        lambda: services.bulk_cancel.cancel(request.tenant, body, by=request.principal.name),
    )
    return json_response(200, view)


ROUTES = (
    Route(
        method="POST",
        path="/tasks",
        name="submitTask",
        summary="Submit a task",
        tag="tasks",
        handler=submit_task,
        role=Role.SUBMITTER,
        idempotency_key=KEY_OF_SUBMIT,
        body="functions.intake.task_requests:SubmitTask",
        examples="functions.api.tasks.requests:SUBMIT_EXAMPLES",
        answers={
            201: ResponseDescription("The task, accepted.", TASK, headers=TASK_LOCATION),
            200: ResponseDescription("Submitted before.", TASK),
        },
    ),
    Route(
        method="GET",
        path="/tasks",
        name="listTasks",
        summary="List tasks, newest first",
        tag="tasks",
        handler=list_tasks,
        role=Role.VIEWER,
        query=(STATE_PARAMETER, TYPE_PARAMETER, *page_parameters("Tasks")),
        answers={200: ResponseDescription("A page.", "functions.api.schemas:TaskList")},
    ),
    Route(
        method="POST",
        path="/tasks/batch",
        name="submitBatch",
        summary="Submit up to 1,000 tasks, each with its own outcome",
        tag="tasks",
        handler=submit_batch,
        role=Role.SUBMITTER,
        body="functions.api.tasks.requests:SubmitBatch",
        examples="functions.api.tasks.requests:BATCH_EXAMPLES",
        answers={200: ResponseDescription("The outcome of each task.", "functions.api.tasks.schemas:BatchAnswer")},
    ),
    Route(
        method="POST",
        path="/tasks/cancel",
        name="cancelTasks",
        summary="Cancel what has not started, by ids or by filter",
        tag="tasks",
        handler=cancel_tasks,
        role=Role.ADMIN,
        audit=Action.TASKS_CANCEL,
        audit_counts=("matched", "cancelled", "refused"),
        idempotency_key=KEY_OF_CHANGE,
        body="functions.api.tasks.requests:CancelTasks",
        answers={
            200: ResponseDescription(
                "What was cancelled, and what was not.", "functions.api.tasks.schemas:CancelAnswer"
            )
        },
    ),
    Route(
        method="GET",
        path="/tasks/{id}",
        name="getTask",
        summary="Look at a task",
        tag="tasks",
        handler=get_task,
        role=Role.VIEWER,
        id_of="task",
        answers={200: ResponseDescription("The task.", TASK)},
    ),
    Route(
        method="PATCH",
        path="/tasks/{id}",
        name="changeTask",
        summary="Move a task to another time, change its priority or payload, while it has not started",
        tag="tasks",
        handler=change_task,
        role=Role.SUBMITTER,
        audit=Action.TASK_CHANGE,
        id_of="task",
        idempotency_key=KEY_OF_CHANGE,
        body="functions.intake.task_requests:ChangeTask",
        answers={200: ResponseDescription("The task after the change.", TASK)},
        conflict=STARTED,
    ),
    Route(
        method="DELETE",
        path="/tasks/{id}",
        name="cancelTask",
        summary="Cancel a task that has not started",
        tag="tasks",
        handler=cancel_task,
        role=Role.SUBMITTER,
        audit=Action.TASK_CANCEL,
        id_of="task",
        answers={204: ResponseDescription("It will not run.")},
        conflict=STARTED,
    ),
)
