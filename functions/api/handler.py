"""Entry point of the api function: an HTTP API event (payload format 2.0) in, an answer out.

Routes are the table at the end; adding one is adding a line there, in infra/functions/api.py and in
functions/api/openapi.py.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from functions.api.services import Parts
from functions.api.workflows import views as workflow_views
from functions.core.errors import FieldError, InvalidRequest, NotFound
from functions.core.task import ALPHABET, Task
from functions.core.workflows.run import Run
from functions.intake import body, problems
from functions.intake import task_views as views
from functions.intake.principal import Principal, principal_of_request
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment

if TYPE_CHECKING:
    from functions.core.schedules.schedule import Schedule

TASK_ID = re.compile(rf"[{ALPHABET}]{{26}}(-[0-9]{{1,5}})?")
"""A node of a workflow is `<run>-<index>`."""
RUN_ID = re.compile(rf"[{ALPHABET}]{{26}}")

app = APIGatewayHttpResolver()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return app.resolve(event, context)
    except Exception as error:
        # Before or after the route: an event that is none, an answer that cannot be written.
        found = problems.problem_of(error, request_id=context.aws_request_id)
        return {
            "statusCode": found.status,
            "headers": {"Content-Type": problems.MEDIA_TYPE},
            "body": views.dump(found.document),
            "isBase64Encoded": False,
        }


# -- routes


def submit_task() -> Response[str]:
    parts, now = services(), wiring.clock()
    done = parts.submission.submit(request_body(), key_header(), tenant=tenant(), now=now, random=secrets.randbits(80))
    if not done.created:
        return answer(200, views.full(done.task, parts.documents, now=now), {"Location": f"/tasks/{done.task.id}"})
    parts.metrics.count("TaskSubmitted", lane=done.task.lane)
    parts.metrics.flush(now)
    return answer(201, views.submitted(done.task, done.payload, now=now), {"Location": f"/tasks/{done.task.id}"})


def list_tasks() -> Response[str]:
    parameters: Mapping[str, str] = app.current_event.query_string_parameters or {}
    return answer(200, services().listing.page(parameters, tenant=tenant(), now=wiring.clock()))


def get_task(id: str) -> Response[str]:
    task = services().tasks.get(tenant(), task_id(id))
    if task is None:
        raise NotFound("task", id)
    return answer(200, shown(task))


def change_task(id: str) -> Response[str]:
    task = services().changes.change(tenant(), task_id(id), request_body(), key_header())
    return answer(200, shown(task))


def cancel_task(id: str) -> Response[str]:
    services().changes.cancel(tenant(), task_id(id))
    return nothing()


def submit_batch() -> Response[str]:
    parts, now = services(), wiring.clock()
    answered, created = parts.batch.submit(
        request_body(),
        tenant=tenant(),
        now=now,
        random=lambda: secrets.randbits(80),
        request_id=app.lambda_context.aws_request_id,
    )
    for task in created:
        parts.metrics.count("TaskSubmitted", lane=task.lane)
    parts.metrics.flush(now)
    return answer(200, answered)


def cancel_tasks() -> Response[str]:
    who, parts, asked = identity(), services(), request_body()
    done = parts.bulk_requests.answer_once(
        who.tenant,
        "cancel",
        asked,
        key_header(),
        lambda: parts.bulk_cancel.cancel(who.tenant, asked, by=who.name),
    )
    return answer(200, done)


def retry_task(id: str) -> Response[str]:
    who = identity()
    task = services().desk.retry(who.tenant, task_id(id), optional_body(), key_header(), by=who.name)
    return answer(200, shown(task))


def list_dead_letters() -> Response[str]:
    parameters: Mapping[str, str] = app.current_event.query_string_parameters or {}
    return answer(200, services().desk.page(parameters, tenant=tenant()))


def redrive_dead_letters() -> Response[str]:
    who, parts, asked = identity(), services(), optional_body()
    done = parts.bulk_requests.answer_once(
        who.tenant, "redrive", asked, key_header(), lambda: parts.desk.redrive(who.tenant, asked, by=who.name)
    )
    return answer(200, done)


def list_notifications() -> Response[str]:
    return answer(200, services().notifications.page(tenant(), query()))


def submit_workflow() -> Response[str]:
    parts, now = services(), wiring.clock()
    done = parts.workflows.submit(request_body(), key_header(), tenant=tenant(), now=now, random=secrets.randbits(80))
    for lane, count in done.lanes.items():
        parts.metrics.count("TaskSubmitted", lane=lane, times=count)
    parts.metrics.flush(now)
    return answer(201 if done.created else 200, workflow_views.summary(done.run), located(done.run))


def list_workflows() -> Response[str]:
    return answer(200, services().workflow_look.page(tenant(), query()))


def get_workflow(id: str) -> Response[str]:
    parts = services()
    run = parts.workflows.find(tenant(), run_id(id))
    view = parts.workflow_look.full(run, query(), now=wiring.clock())
    if run.notify:
        view["notifications"] = parts.notifications.of_run(run)
    return answer(200, view)


def get_workflow_graph(id: str) -> Response[str]:
    from functions.api.workflows.queries import FORMATS, format_of

    parts, kind = services(), format_of(query(), app.current_event.headers.get("accept"))
    run = parts.workflows.find(tenant(), run_id(id))
    return Response(200, FORMATS[kind], parts.workflow_look.graph(run, kind, now=wiring.clock()), {"Vary": "Accept"})


def cancel_workflow(id: str) -> Response[str]:
    services().workflows.cancel(tenant(), run_id(id))
    return nothing()


def retry_workflow(id: str) -> Response[str]:
    nothing_asked()
    run = services().workflows.retry(tenant(), run_id(id), key_header(), now=wiring.clock())
    return answer(202, workflow_views.summary(run), located(run))


def create_schedule() -> Response[str]:
    made = services().schedules.create(request_body(), key_header(), tenant=tenant(), random=secrets.randbits(80))
    return schedule_answer(201 if made.created else 200, made.schedule)


def list_schedules() -> Response[str]:
    return answer(200, services().schedules.page(tenant(), query()))


def get_schedule(id: str) -> Response[str]:
    return schedule_answer(200, services().schedules.find(tenant(), schedule_id(id)))


def change_schedule(id: str) -> Response[str]:
    return schedule_answer(200, services().schedules.change(tenant(), schedule_id(id), request_body()))


def delete_schedule(id: str) -> Response[str]:
    services().schedules.delete(tenant(), schedule_id(id))
    return nothing()


def run_schedule(id: str) -> Response[str]:
    nothing_asked()
    parts, now = services(), wiring.clock()
    done = parts.schedules.run(tenant(), schedule_id(id), key_header(), random=secrets.randbits(80))
    if done.created:
        parts.metrics.count("TaskSubmitted", lane=done.task.lane)
        parts.metrics.flush(now)
    view = views.full(done.task, parts.documents, now=now)
    return answer(201 if done.created else 200, view, {"Location": f"/tasks/{done.task.id}"})


def get_health() -> Response[str]:
    return answer(200, {"status": "ok", "environment": services().environment.name})


def get_stats() -> Response[str]:
    return answer(200, services().stats.read(tenant=tenant(), now=wiring.clock()))


def get_openapi() -> Response[str]:
    from functions.api import openapi

    return answer(200, openapi.document(services().timeout_limit))


def get_docs() -> Response[bytes]:
    from functions.api.documentation import page as docs

    accepted = app.current_event.headers.get("accept-encoding") or ""
    page = docs.page(services().timeout_limit, gzipped="gzip" in accepted)
    encoding = {"Content-Encoding": "gzip"} if "gzip" in accepted else {}
    return Response(200, "text/html; charset=utf-8", page, {"Vary": "Accept-Encoding", **encoding})


ROUTES: tuple[tuple[str, str, Callable[..., Response[Any]]], ...] = (
    ("POST", "/tasks", submit_task),
    ("GET", "/tasks", list_tasks),
    ("POST", "/tasks/batch", submit_batch),
    ("POST", "/tasks/cancel", cancel_tasks),
    ("GET", "/tasks/<id>", get_task),
    ("PATCH", "/tasks/<id>", change_task),
    ("DELETE", "/tasks/<id>", cancel_task),
    ("POST", "/tasks/<id>/retry", retry_task),
    ("POST", "/workflows", submit_workflow),
    ("GET", "/workflows", list_workflows),
    ("GET", "/workflows/<id>", get_workflow),
    ("GET", "/workflows/<id>/graph", get_workflow_graph),
    ("DELETE", "/workflows/<id>", cancel_workflow),
    ("POST", "/workflows/<id>/retry", retry_workflow),
    ("GET", "/dead-letters", list_dead_letters),
    ("POST", "/dead-letters/redrive", redrive_dead_letters),
    ("POST", "/schedules", create_schedule),
    ("GET", "/schedules", list_schedules),
    ("GET", "/schedules/<id>", get_schedule),
    ("PATCH", "/schedules/<id>", change_schedule),
    ("DELETE", "/schedules/<id>", delete_schedule),
    ("POST", "/schedules/<id>/run", run_schedule),
    ("GET", "/notifications", list_notifications),
    ("GET", "/monitor/health", get_health),
    ("GET", "/monitor/stats", get_stats),
    ("GET", "/openapi.json", get_openapi),
    ("GET", "/docs", get_docs),
)
for method, path, route in ROUTES:
    app.route(path, method=method)(route)


# -- what they share


@cache
def services() -> Parts:
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Parts(ApiEnvironment.from_env(os.environ))


def identity() -> Principal:
    context = app.current_event.get("requestContext") or {}
    return principal_of_request(context, tenant_from=services().environment.tenant_from)


def tenant() -> str:
    return identity().tenant


def key_header() -> str | None:
    """As it came: functions.intake.submission reads it."""
    return app.current_event.headers.get("idempotency-key")


def optional_body() -> dict[str, Any]:
    """Of a route where leaving it out means `{}`."""
    return request_body() if app.current_event.get("body") else {}


def request_body() -> dict[str, Any]:
    event = app.current_event
    return body.read(
        event.get("body"),
        is_base64=bool(event.get("isBase64Encoded")),
        content_type=event.headers.get("content-type"),
    )


def nothing_asked() -> None:
    """Of a route that takes no body: what a caller puts into one would be lost."""
    if unknown := optional_body():
        raise InvalidRequest([FieldError(name, "is not a known field") for name in unknown])


def task_id(written: str) -> str:
    """An id that none can be is a task that there is not: no need to ask the store."""
    if not TASK_ID.fullmatch(written):
        raise NotFound("task", written)
    return written


def run_id(written: str) -> str:
    if not RUN_ID.fullmatch(written):
        raise NotFound("workflow", written)
    return written


def schedule_id(written: str) -> str:
    if not RUN_ID.fullmatch(written):
        raise NotFound("schedule", written)
    return written


def schedule_answer(status: int, schedule: Schedule) -> Response[str]:
    from functions.api.schedules.views import view

    return answer(status, view(schedule, now=wiring.clock()), {"Location": f"/schedules/{schedule.id}"})


def located(run: Run) -> dict[str, str]:
    return {"Location": f"/workflows/{run.id}"}


def query() -> Mapping[str, str]:
    return app.current_event.query_string_parameters or {}


def shown(task: Task) -> dict[str, Any]:
    """All of a task. One more read tells of the workflow whose node it is."""
    parts = services()
    view = views.full(task, parts.documents, now=wiring.clock())
    if task.notify:
        view["notifications"] = parts.notifications.of_task(task)
    return view | parts.workflow_look.tie(task, task.member) if task.member else view


def answer(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response[str]:
    return Response(status, "application/json", views.dump(document), headers)


def nothing() -> Response[str]:
    """204. With an empty body and not without one, which would be null: not every gateway takes that for a text."""
    return Response(204, body="")


def refuse(error: Exception) -> Response[str]:
    found = problems.problem_of(error, request_id=app.lambda_context.aws_request_id)
    return Response(found.status, problems.MEDIA_TYPE, views.dump(found.document), found.headers)


def no_route(_: Exception) -> Response[str]:
    asked, where = app.current_event.http_method, app.current_event.path
    allowed = [method for method, path, _ in ROUTES if re.fullmatch(re.sub("<[^>]+>", "[^/]+", path), where)]
    if not allowed or asked in allowed:
        # A path that no id can be part of is not ours either.
        return refuse(problems.NoSuchRoute(asked, where))
    return refuse(problems.MethodNotAllowed(asked, where, allowed))


app.exception_handler(Exception)(refuse)
app.exception_handler(NotFoundError)(no_route)
