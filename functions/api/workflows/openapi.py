"""The part of /openapi.json that is about workflows."""

from __future__ import annotations

from typing import Any

from functions.api.openapi import COMPONENTS, Json, ok, operation
from functions.api.tasks import listing
from functions.api.workflows import answers as workflow_answers
from functions.api.workflows.queries import FORMATS
from functions.api.workflows.requests import SubmitWorkflow
from functions.core.workflows import dag

EXAMPLE: Json = {
    "name": "nightly",
    "deadlineSeconds": 3600,
    "nodes": [
        {"name": "fetch", "type": "DELAYED_MESSAGE", "payload": {"message": "fetched"}},
        {"name": "left", "type": "DELAYED_MESSAGE", "payload": {"message": "left"}, "dependsOn": ["fetch"]},
        {"name": "right", "type": "DELAYED_MESSAGE", "payload": {"message": "right"}, "dependsOn": ["fetch"]},
        {
            "name": "report",
            "type": "DELAYED_MESSAGE",
            "payload": {"message": "done"},
            "dependsOn": ["left", "right"],
            "maxRetries": 2,
        },
    ],
}
AS_MAP: Json = {
    "nodes": {
        "first": {"type": "DELAYED_MESSAGE", "payload": {"message": "one"}},
        "second": {"type": "DELAYED_MESSAGE", "payload": {"message": "two"}, "dependsOn": ["first"]},
    },
    "onFailure": "cancel",
}
GONE = "There is no such workflow of this caller, or it has expired."
ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"$ref": f"{COMPONENTS}WorkflowId"}}


def workflow_paths(key: Json, change_key: Json) -> Json:
    """The parameter Idempotency-Key: `key` of what has a field for it, `change_key` of what has none."""
    location = {"Location": {"description": "Path of the workflow.", "schema": {"type": "string"}}}
    summary = workflow_answers.WorkflowSummary
    submit = operation(
        "workflows",
        "submitWorkflow",
        "Submit a DAG of tasks, as a whole",
        {201: ok("The workflow, accepted.", summary, location), 200: ok("Submitted before.", summary)},
        (400, 413, 415, 422),
        parameters=[key],
        body=SubmitWorkflow,
    )
    submit["requestBody"]["content"]["application/json"]["examples"] = {
        "diamond": {"value": EXAMPLE},
        "map": {"value": AS_MAP},
    }
    drawn = {media: {"schema": {"type": "string"}} for media in FORMATS.values()}
    graph = operation(
        "workflows",
        "drawWorkflow",
        "The workflow as a picture, coloured by state",
        {200: {"description": "What is too large to be read: by rank, with counts per state.", "content": drawn}},
        (404, 422),
        parameters=[
            {
                "name": "format",
                "in": "query",
                "description": "Left out or empty: by the Accept header, else mermaid.",
                "schema": {"type": "string", "enum": [*FORMATS, ""]},
            }
        ],
    )
    return {
        "/workflows": {
            "get": operation(
                "workflows",
                "listWorkflows",
                "List workflows, newest first",
                {200: ok("A page.", workflow_answers.WorkflowList)},
                (422,),
                parameters=pages("Workflows"),
            ),
            "post": submit,
        },
        "/workflows/{id}": {
            "parameters": [ID],
            "get": told(
                operation(
                    "workflows",
                    "getWorkflow",
                    "Look at a workflow: state, counts, a page of its nodes",
                    {200: ok("The workflow.", workflow_answers.Workflow)},
                    (404, 422),
                    parameters=pages("Nodes"),
                )
            ),
            "delete": told(
                operation(
                    "workflows",
                    "cancelWorkflow",
                    "Cancel what has not started",
                    {204: {"description": "Asked for. Nodes that run are let run."}},
                    (404, 409),
                ),
                "It has ended (`state` says how).",
            ),
        },
        "/workflows/{id}/graph": {"parameters": [ID], "get": told(graph)},
        "/workflows/{id}/retry": {
            "parameters": [ID],
            "post": told(
                operation(
                    "workflows",
                    "retryWorkflow",
                    "Run again what did not succeed",
                    {202: ok("The workflow, in its next round.", summary, location)},
                    (400, 404, 409, 415, 422),
                    parameters=[change_key],
                ),
                "It runs, or all of it succeeded (`state` says which).",
            ),
        },
    }


def told(described: Json, conflict: str = "") -> Json:
    described["responses"]["404"]["description"] = GONE
    if conflict:
        described["responses"]["409"]["description"] = conflict
    return described


def pages(what: str) -> list[Json]:
    size = {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT}
    cursor = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
    return [
        {"name": "limit", "in": "query", "description": f"{what} in a page, at most.", "schema": size},
        {"name": "cursor", "in": "query", "description": "Of the page before.", "schema": cursor},
    ]


def nodes_schema(made: dict[str, Any], names: list[str], timeout_limit: int) -> None:
    """Nodes as a list, where each has its name; or as a map by name."""
    node = made["WorkflowNode"]
    node["required"] = [field for field in node.get("required", ()) if field not in ("name", "type")]
    node["properties"]["type"]["enum"] = names
    for branch in node["properties"]["timeoutSeconds"]["anyOf"]:
        if branch["type"] == "integer":
            branch["maximum"] = timeout_limit
    reference = {"$ref": f"{COMPONENTS}WorkflowNode"}
    named = {"allOf": [reference, {"required": ["name"]}]}
    nodes = made["SubmitWorkflow"]["properties"]["nodes"]
    nodes["anyOf"] = [
        {"type": "array", "minItems": 1, "maxItems": dag.MAX_NODES, "items": named},
        {"type": "object", "minProperties": 1, "maxProperties": dag.MAX_NODES, "additionalProperties": reference},
    ]
