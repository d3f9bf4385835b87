"""Routes of workflows."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response, location_header, no_content
from functions.api.routing import KEY_OF_CHANGE, KEY_OF_SUBMIT, QueryParameter, ResponseDescription, Route
from functions.api.workflows.media_types import MEDIA_TYPES, graph_format
from functions.core.audit import Action
from functions.core.roles import Role

if TYPE_CHECKING:
    from functions.core.workflows.run import Run

SUMMARY = "functions.intake.workflow_schemas:WorkflowSummary"
LOCATION = {"Location": "Path of the workflow."}


def submit_workflow(request: ApiRequest) -> Response[str]:
    services, now = request.services, request.now
    submitted = services.workflow_submission.submit(
        request.body(), request.idempotency_key, tenant=request.tenant, now=now, random=secrets.randbits(80)
    )
    for lane, count in submitted.lanes.items():
        services.metrics.count("TaskSubmitted", lane=lane, times=count)
    services.metrics.flush(now)
    return run_response(201 if submitted.created else 200, submitted.run)


def list_workflows(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.workflow_reader.page(request.tenant, request.query))


def get_workflow(request: ApiRequest) -> Response[str]:
    services = request.services
    run = services.workflows.find(request.tenant, request.id)
    view = services.workflow_reader.detail(run, request.query, now=request.now)
    if run.notify:
        view["notifications"] = services.notifications.of_run(run)
    return json_response(200, view)


def get_workflow_graph(request: ApiRequest) -> Response[str]:
    format_ = graph_format(request.query, request.header("accept"))
    run = request.services.workflows.find(request.tenant, request.id)
    graph = request.services.workflow_reader.graph(run, format_, now=request.now)
    return Response(200, MEDIA_TYPES[format_], graph, {"Vary": "Accept"})


def cancel_workflow(request: ApiRequest) -> Response[str]:
    request.services.workflows.cancel(request.tenant, request.id)
    return no_content()


def retry_workflow(request: ApiRequest) -> Response[str]:
    request.require_empty_body()
    run = request.services.workflows.retry(request.tenant, request.id, request.idempotency_key, now=request.now)
    return run_response(202, run)


def run_response(status: int, run: Run) -> Response[str]:
    from functions.intake.workflow_views import summary

    return json_response(status, summary(run), location_header(f"/workflows/{run.id}"))


ROUTES = (
    Route(
        method="POST",
        path="/workflows",
        name="submitWorkflow",
        summary="Submit a DAG of tasks, as a whole",
        tag="workflows",
        handler=submit_workflow,
        role=Role.SUBMITTER,
        idempotency_key=KEY_OF_SUBMIT,
        body="functions.intake.workflow_requests:SubmitWorkflow",
        examples="functions.intake.workflow_requests:EXAMPLES",
        answers={
            201: ResponseDescription("The workflow, accepted.", SUMMARY, headers=LOCATION),
            200: ResponseDescription("Submitted before.", SUMMARY),
        },
    ),
    Route(
        method="GET",
        path="/workflows",
        name="listWorkflows",
        summary="List workflows, newest first",
        tag="workflows",
        handler=list_workflows,
        role=Role.VIEWER,
        query=page_parameters("Workflows"),
        answers={200: ResponseDescription("A page.", "functions.api.workflows.schemas:WorkflowList")},
    ),
    Route(
        method="GET",
        path="/workflows/{id}",
        name="getWorkflow",
        summary="Look at a workflow: state, counts, a page of its nodes",
        tag="workflows",
        handler=get_workflow,
        role=Role.VIEWER,
        id_of="workflow",
        query=page_parameters("Nodes"),
        answers={200: ResponseDescription("The workflow.", "functions.api.workflows.schemas:Workflow")},
    ),
    Route(
        method="GET",
        path="/workflows/{id}/graph",
        name="drawWorkflow",
        summary="The workflow as a picture, coloured by state",
        tag="workflows",
        handler=get_workflow_graph,
        role=Role.VIEWER,
        id_of="workflow",
        query=(
            QueryParameter(
                "format",
                {"type": "string", "enum": [*MEDIA_TYPES, ""]},
                "Left out or empty: by the Accept header, else mermaid.",
            ),
        ),
        answers={
            200: ResponseDescription(
                "What is too large to be read: by rank, with counts per state.",
                media_types=tuple(MEDIA_TYPES.values()),
            )
        },
    ),
    Route(
        method="DELETE",
        path="/workflows/{id}",
        name="cancelWorkflow",
        summary="Cancel what has not started",
        tag="workflows",
        handler=cancel_workflow,
        role=Role.SUBMITTER,
        audit=Action.WORKFLOW_CANCEL,
        id_of="workflow",
        answers={204: ResponseDescription("Asked for. Nodes that run are let run.")},
        conflict="It has ended (`state` says how).",
    ),
    Route(
        method="POST",
        path="/workflows/{id}/retry",
        name="retryWorkflow",
        summary="Run again what did not succeed",
        tag="workflows",
        handler=retry_workflow,
        role=Role.SUBMITTER,
        audit=Action.WORKFLOW_RETRY,
        id_of="workflow",
        idempotency_key=KEY_OF_CHANGE,
        answers={202: ResponseDescription("The workflow, in its next round.", SUMMARY, headers=LOCATION)},
        conflict="It runs, or all of it succeeded (`state` says which).",
        problems=(400, 415, 422),
    ),
)
