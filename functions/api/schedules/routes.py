"""Routes of schedules."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response, location_header, no_content
from functions.api.routing import KEY_OF_RUN, KEY_OF_SUBMIT, ResponseDescription, Route
from functions.core.audit import Action
from functions.core.roles import Role
from functions.intake import task_views

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

    from functions.core.schedules.schedule import Schedule

SCHEDULE = "functions.api.schedules.schemas:ScheduleAnswer"
TASK = "functions.intake.task_schemas:Task"
WORKFLOW = "functions.intake.workflow_schemas:WorkflowSummary"
LOCATION = {"Location": "Path of the schedule."}
RUN_LOCATION = {"Location": "Path of the task or the workflow."}


def create_schedule(request: ApiRequest) -> Response[str]:
    result = request.services.schedules.create(
        request.body(), request.idempotency_key, tenant=request.tenant, random=secrets.randbits(80)
    )
    return schedule_response(request, 201 if result.created else 200, result.schedule)


def list_schedules(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.schedule_reader.page(request.tenant, request.query))


def get_schedule(request: ApiRequest) -> Response[str]:
    return schedule_response(request, 200, request.services.schedules.find(request.tenant, request.id))


def change_schedule(request: ApiRequest) -> Response[str]:
    schedule = request.services.schedules.change(request.tenant, request.id, request.body())
    return schedule_response(request, 200, schedule)


def delete_schedule(request: ApiRequest) -> Response[str]:
    request.services.schedules.delete(request.tenant, request.id)
    return no_content()


def run_schedule(request: ApiRequest) -> Response[str]:
    from functions.intake.submission import SubmittedTask

    request.require_empty_body()
    services, now = request.services, request.now
    submitted = services.schedules.run(request.tenant, request.id, request.idempotency_key, random=secrets.randbits(80))
    if submitted.created:
        for lane, count in services.schedules.firing.lanes_of(submitted).items():
            services.metrics.count("TaskSubmitted", lane=lane, times=count)
        services.metrics.flush(now)
    status = 201 if submitted.created else 200
    if isinstance(submitted, SubmittedTask):
        task = submitted.task
        view = task_views.detail(task, services.documents, services.routing, now=now)
        return json_response(status, view, location_header(f"/tasks/{task.id}"))
    from functions.intake.workflow_views import summary

    return json_response(status, summary(submitted.run), location_header(f"/workflows/{submitted.run.id}"))


def schedule_response(request: ApiRequest, status: int, schedule: Schedule) -> Response[str]:
    view = request.services.schedule_reader.view(schedule)
    return json_response(status, view, location_header(f"/schedules/{schedule.id}"))


ROUTES = (
    Route(
        method="POST",
        path="/schedules",
        name="createSchedule",
        summary="Submit a task or a workflow again and again",
        tag="schedules",
        handler=create_schedule,
        role=Role.SUBMITTER,
        audit=Action.SCHEDULE_CREATE,
        idempotency_key=KEY_OF_SUBMIT,
        body="functions.intake.schedule_requests:CreateSchedule",
        examples="functions.intake.schedule_requests:EXAMPLES",
        answers={
            201: ResponseDescription("The schedule.", SCHEDULE, headers=LOCATION),
            200: ResponseDescription("Created before.", SCHEDULE, headers=LOCATION),
        },
    ),
    Route(
        method="GET",
        path="/schedules",
        name="listSchedules",
        summary="List schedules, newest first",
        tag="schedules",
        handler=list_schedules,
        role=Role.VIEWER,
        query=page_parameters("Schedules"),
        answers={200: ResponseDescription("A page.", "functions.api.schedules.schemas:ScheduleList")},
    ),
    Route(
        method="GET",
        path="/schedules/{id}",
        name="getSchedule",
        summary="Look at a schedule",
        tag="schedules",
        handler=get_schedule,
        role=Role.VIEWER,
        id_of="schedule",
        answers={200: ResponseDescription("The schedule.", SCHEDULE, headers=LOCATION)},
    ),
    Route(
        method="PATCH",
        path="/schedules/{id}",
        name="changeSchedule",
        summary="Change anything of a schedule; pause and resume it",
        tag="schedules",
        handler=change_schedule,
        role=Role.SUBMITTER,
        audit=Action.SCHEDULE_CHANGE,
        audit_by_field={("paused", True): Action.SCHEDULE_PAUSE, ("paused", False): Action.SCHEDULE_RESUME},
        id_of="schedule",
        body="functions.intake.schedule_requests:ChangeSchedule",
        answers={200: ResponseDescription("The schedule after the change.", SCHEDULE, headers=LOCATION)},
        conflict="A deployment declares the schedule, or others keep changing it.",
    ),
    Route(
        method="DELETE",
        path="/schedules/{id}",
        name="deleteSchedule",
        summary="Delete a schedule",
        tag="schedules",
        handler=delete_schedule,
        role=Role.SUBMITTER,
        audit=Action.SCHEDULE_DELETE,
        id_of="schedule",
        answers={204: ResponseDescription("It is gone; its tasks stay.")},
        conflict="A deployment declares the schedule.",
    ),
    Route(
        method="POST",
        path="/schedules/{id}/run",
        name="runSchedule",
        summary="Submit its task or workflow now, once for each Idempotency-Key",
        tag="schedules",
        handler=run_schedule,
        role=Role.SUBMITTER,
        audit=Action.SCHEDULE_RUN,
        id_of="schedule",
        idempotency_key=KEY_OF_RUN,
        answers={
            201: ResponseDescription("The task or the workflow.", TASK, WORKFLOW, headers=RUN_LOCATION),
            200: ResponseDescription("Run before.", TASK, WORKFLOW, headers=RUN_LOCATION),
        },
        problems=(400, 415, 422),
    ),
)
