"""Body of POST /workflows as pydantic models; its validation finds every error before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from functions.core.errors import FieldError, InvalidRequest, UnknownTaskType
from functions.core.field_errors import field_path, join_paths
from functions.core.notifications import targets as notification
from functions.core.notifications.targets import Notify
from functions.core.payloads.masking import Mask
from functions.core.task_types import RegisteredType, Registry
from functions.core.webhooks.addresses import Reach
from functions.core.workflows import dag
from functions.core.workflows.dag import Node
from functions.core.workflows.run import NodeSpec
from functions.intake.fingerprint import Fingerprint
from functions.intake.submission import limits_of_type, retry_policy, retry_policy_errors
from functions.intake.task_requests import (
    NORMAL_PRIORITY,
    SUBMIT_ALIASES,
    Limits,
    ParsedRequest,
    Request,
    TaskFields,
    integer_from_float,
    parse,
    validate_idempotency_key,
    validation_error,
)

NODE_ALIASES = SUBMIT_ALIASES | {"depends_on": "dependsOn"}
WORKFLOW_ALIASES = {"deadline_seconds": "deadlineSeconds", "on_failure": "onFailure"}
YEAR_SECONDS = 365 * 86_400
DAY_SECONDS = 86_400
NAME_LIMIT = 256
"""Characters: what other tools call their nodes, `//service/api:unit_tests` or `model.shop.orders`, fits as it is."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def without_control_characters(name: str) -> str:
    if CONTROL.search(name):
        raise validation_error("must not hold control characters")
    return name


NodeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LIMIT),
    AfterValidator(without_control_characters),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, "pattern": r"^[^\x00-\x1f\x7f]+$"}),
]
Deadline = Annotated[int, Field(ge=1, le=YEAR_SECONDS), BeforeValidator(integer_from_float)]


class WorkflowNode(TaskFields):
    """One task of the workflow, as in a submit of its own."""

    aliases: ClassVar[Mapping[str, str]] = NODE_ALIASES

    name: NodeName = Field(description="Unique in the workflow. Where nodes are a map, its key.")
    depends_on: Annotated[list[str], Field(max_length=dag.MAX_NODES)] | None = Field(
        None, description="Names of the nodes that must succeed first. If one does not, this one is SKIPPED."
    )

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        """Where nodes are a map, the key is the name."""
        schema["required"].remove("name")

    def canonical_form(self, type_name: str) -> dict[str, Any]:
        return super().canonical_form(type_name) | {"name": self.name, "after": sorted(set(self.depends_on or ()))}


class SubmitWorkflow(Request):
    """A DAG of tasks, accepted or refused as a whole. At most 10,000 nodes and 100,000 edges."""

    aliases: ClassVar[Mapping[str, str]] = WORKFLOW_ALIASES
    parts: ClassVar[tuple[type[Request], ...]] = (WorkflowNode,)

    nodes: Annotated[list[Any], Field(min_length=1)] | Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="A list of nodes, or a map from name to node."
    )
    name: NodeName | None = Field(None, description="For people.")
    deadline_seconds: Deadline | None = Field(
        None, description="From its start. Then what has not started is cancelled: TIMED_OUT. Default: a day."
    )
    on_failure: Literal["continue", "cancel"] | None = Field(
        None, description="`continue` (default): what does not depend on a failed node goes on. `cancel`: it does not."
    )
    notify: Notify | None = Field(None, description="Whom to tell when it has ended: up to 10 webhooks and mails.")
    idempotency_key: Annotated[str, AfterValidator(validate_idempotency_key)] | None = Field(
        None,
        description="The same key and body again answer the same run. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": 256},
    )

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        """Nodes as a list, where each has its name; or as a map by name."""
        node = {"$ref": f"{components}{WorkflowNode.__name__}"}
        named = {"allOf": [node, {"required": ["name"]}]}
        schema["properties"]["nodes"]["anyOf"] = [
            {"type": "array", "minItems": 1, "maxItems": dag.MAX_NODES, "items": named},
            {"type": "object", "minProperties": 1, "maxProperties": dag.MAX_NODES, "additionalProperties": node},
        ]


@dataclass(frozen=True, kw_only=True)
class ValidWorkflow:
    """A request without errors."""

    name: str
    specs: list[NodeSpec]
    deadline_seconds: int
    on_failure: Literal["continue", "cancel"]
    notify: tuple[dict[str, Any], ...]
    fingerprint: Fingerprint


def validate(
    parsed: ParsedRequest[SubmitWorkflow],
    key_errors: list[FieldError],
    registry: Registry,
    given: Limits,
    webhook_reach: Reach,
) -> ValidWorkflow:
    """Raises InvalidRequest with everything that is wrong."""
    notify = parsed.request.notify if parsed.request else None
    errors = [*parsed.errors, *key_errors, *notification.unreachable_webhooks(notify, webhook_reach)]
    nodes = parsed.fields.get("nodes")
    if not isinstance(nodes, list | dict) or not nodes:
        raise InvalidRequest(errors)
    if len(nodes) > dag.MAX_NODES:
        raise InvalidRequest([*errors, *dag.too_many_nodes_error(len(nodes))])
    collected, paths = NodeCollector(registry, given), []
    for node_path, node in named_nodes(nodes):
        paths.append(node_path)
        collected.add(node_path, node)
    if isinstance(nodes, dict):
        errors += (
            FieldError(field_path("nodes", name, "name"), "is not the name that it stands under")
            for name, node in nodes.items()
            if isinstance(node, dict) and node.get("name", name) != name
        )
    errors += collected.errors
    # A node without a name is no part of a graph: the graph is checked when every node has a name.
    if len(collected.graph) == len(paths):
        errors += (with_request_path(error, paths) for error in dag.find_errors(collected.graph))
    if errors or parsed.request is None:
        raise InvalidRequest(errors)
    request = parsed.request
    fields: dict[str, Any] = {
        "name": request.name or "workflow",
        "deadline_seconds": request.deadline_seconds or DAY_SECONDS,
        "on_failure": request.on_failure or "continue",
        "notify": notification.stored_targets(notify),
    }
    # A list and a map of the same nodes, in any order, are the same DAG.
    canonical_form = fields | {"nodes": sorted(collected.canonical_nodes, key=lambda node: node["name"])}
    return ValidWorkflow(
        **fields,
        specs=collected.specs,
        fingerprint=Fingerprint(canonical_form, parsed.fields | {"nodes": collected.fields}),
    )


def named_nodes(nodes: list[Any] | dict[str, Any]) -> list[tuple[str, Any]]:
    """Path of each node in the request, and the node with its name as a field."""
    if isinstance(nodes, list):
        return [(field_path("nodes", at), node) for at, node in enumerate(nodes)]
    return [
        (field_path("nodes", name), {"name": name, **node} if isinstance(node, dict) and "name" not in node else node)
        for name, node in nodes.items()
    ]


def with_request_path(error: FieldError, paths: list[str]) -> FieldError:
    """`nodes[3].dependsOn[0]` under the path of the node in the request, where nodes may be a map."""
    head, bracket, rest = error.field.partition("]")
    if not bracket:
        return error
    return FieldError(paths[int(head.removeprefix("nodes["))] + rest, error.message)


class NodeCollector:
    """Collects the specifications of the nodes and their errors."""

    def __init__(self, registry: Registry, given: Limits) -> None:
        self.specs: list[NodeSpec] = []
        self.graph: list[Node] = []
        self.canonical_nodes: list[dict[str, Any]] = []
        self.fields: list[dict[str, Any]] = []
        """As they came: fingerprints before version 2 are digests of them."""
        self.errors: list[FieldError] = []
        self._registry = registry
        self._given = given

    def add(self, node_path: str, node: Any) -> None:
        if not isinstance(node, dict):
            self.errors.append(FieldError(node_path, "must be an object"))
            return
        limits = limits_of_type(
            node, now=self._given.now, timeout_limit=self._given.timeout_seconds, registry=lambda: self._registry
        )
        parsed = parse(WorkflowNode, node, NODE_ALIASES, limits)
        errors = list(parsed.errors)
        kind, mask = self._type(parsed, errors)
        self.errors += [FieldError(join_paths(node_path, error.field), error.message) for error in errors]
        name, after = parsed.fields.get("name"), parsed.fields.get("dependsOn")
        if isinstance(name, str) and name:
            names = [one for one in after if isinstance(one, str)] if isinstance(after, list) else []
            self.graph.append(Node(name, tuple(names)))
        if parsed.request is not None and kind is not None:
            self.specs.append(spec(parsed.request, kind, limits, mask))
            self.canonical_nodes.append(parsed.request.canonical_form(kind.name))
            self.fields.append({field: value for field, value in parsed.fields.items() if value is not None})

    def _type(
        self, parsed: ParsedRequest[WorkflowNode], errors: list[FieldError]
    ) -> tuple[RegisteredType | None, Mask | None]:
        name = parsed.fields.get("type")
        if not isinstance(name, str) or not name:
            return None, None
        try:
            kind = self._registry.find(name)
        except UnknownTaskType as unknown:
            names = ", ".join(unknown.known_types)
            errors.append(FieldError(parsed.caller_name("type"), f"is not a known task type; known: {names}"))
            return None, None
        mask = None
        if problem := kind.timeout_problem(parsed.fields.get("timeoutSeconds")):
            errors.append(FieldError(parsed.caller_name("timeoutSeconds"), problem))
        try:
            mask = kind.accept(parsed.fields.get("payload", {}))
        except InvalidRequest as invalid:
            errors += invalid.errors
        if parsed.request is not None:
            errors += retry_policy_errors(parsed.request, kind.retry)
        return kind, mask


def spec(request: WorkflowNode, kind: RegisteredType, given: Limits, mask: Mask | None) -> NodeSpec:
    """Defaults come from the task type. A time in the past becomes now."""
    return NodeSpec(
        name=request.name,
        type=kind.name,
        payload=request.payload,
        mask=mask,
        depends_on=tuple(dict.fromkeys(request.depends_on or ())),
        priority=NORMAL_PRIORITY if request.priority is None else request.priority,
        timeout_seconds=request.timeout_seconds or kind.timeout(given.timeout_seconds),
        retry=retry_policy(request, kind.retry),
        available_at=request.due_at(given.now) or given.now,
        tags=request.tags or {},
    )


DIAMOND_EXAMPLE: dict[str, Any] = {
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
MAP_EXAMPLE: dict[str, Any] = {
    "nodes": {
        "first": {"type": "DELAYED_MESSAGE", "payload": {"message": "one"}},
        "second": {"type": "DELAYED_MESSAGE", "payload": {"message": "two"}, "dependsOn": ["first"]},
    },
    "onFailure": "cancel",
}
EXAMPLES = {"diamond": DIAMOND_EXAMPLE, "map": MAP_EXAMPLE}
