"""What handlers of routes answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from functions.intake import problems
from functions.intake import task_views as views
from functions.runtime import wiring

if TYPE_CHECKING:
    from functions.api.request import ApiRequest
    from functions.core.task import Task


def json_response(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response[str]:
    return Response(status, "application/json", views.to_json(document), headers)


def no_content() -> Response[str]:
    """204. The body is "" and not None: None becomes null, which not every gateway takes for text."""
    return Response(204, body="")


def problem_response(error: Exception, request_id: str) -> Response[str]:
    problem = problems.problem_of(error, request_id=request_id)
    return Response(problem.status, problems.MEDIA_TYPE, views.to_json(problem.document), problem.headers)


def location_header(path: str) -> dict[str, str]:
    return {"Location": path}


def task_response(request: ApiRequest, task: Task) -> Response[str]:
    """The whole task. The workflow of a node is one more read."""
    services = request.services
    view = views.detail(task, services.documents, services.routing, now=wiring.clock())
    if task.notify:
        view["notifications"] = services.notifications.of_task(task)
    if task.membership:
        view["workflow"] = services.workflow_reader.reference(task, task.membership)
        view["dependencies"] = services.workflow_reader.upstream_ids(task, task.membership)
    return json_response(200, view)
