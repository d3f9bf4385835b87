"""What a schedule submits: its template of a task or a workflow, checked as a submit of it would be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.core.errors import FieldError, InvalidRequest, PayloadTooLarge, UnknownTaskType
from functions.core.field_errors import field_path, join_paths
from functions.core.payloads.masking import Mask
from functions.intake.schedule_requests import (
    NOT_IN_NODE_TEMPLATES,
    NOT_IN_TEMPLATES,
    NOT_IN_WORKFLOW_TEMPLATES,
    TEMPLATE_LIMIT_BYTES,
)
from functions.intake.submission import Submission
from functions.intake.task_requests import SUBMIT_ALIASES, ParsedRequest, resolve_aliases
from functions.intake.workflow_requests import NODE_ALIASES, WORKFLOW_ALIASES, ValidWorkflow

if TYPE_CHECKING:
    from functions.intake.workflow_submission import WorkflowSubmission

TEMPLATE_FIELDS = ("task", "workflow")


@dataclass(frozen=True, kw_only=True)
class Template:
    """A valid template. `kind`: `task` or `workflow`. `fields`: under their canonical names. `lane`: of its
    task, or of the first node of its workflow."""

    kind: str
    fields: dict[str, Any]
    canonical_form: Mapping[str, Any]
    mask: Mask | None
    lane: str


@dataclass(frozen=True, kw_only=True)
class TemplateValidation:
    """`workflows` makes the submission of workflows on first use."""

    submission: Submission
    workflows: Callable[[], WorkflowSubmission]

    def validate(
        self, parsed: ParsedRequest[Any], *, tenant: str, is_required: bool, now: int
    ) -> tuple[Template | None, list[FieldError]]:
        """The template of a request, None where the request has none or one that is not valid, and its errors. Raises
        PayloadTooLarge, BeyondQuota."""
        given = [name for name in TEMPLATE_FIELDS if parsed.fields.get(name) is not None]
        names = {name: parsed.caller_name(name) for name in TEMPLATE_FIELDS}
        if len(given) == 2:
            return None, [FieldError(names["workflow"], f"give either this or {names['task']}, not both")]
        if not given:
            return None, [FieldError("task", "is required, or workflow")] if is_required else []
        (kind,) = given
        fields = parsed.fields[kind]
        if not isinstance(fields, dict):
            # The model of the request has refused it.
            return None, []
        template_of = self._task_template if kind == "task" else self._workflow_template
        return template_of(fields, names[kind], tenant=tenant, now=now)

    def _task_template(
        self, task_fields: dict[str, Any], name: str, *, tenant: str, now: int
    ) -> tuple[Template | None, list[FieldError]]:
        fields, names, _ = resolve_aliases(task_fields, SUBMIT_ALIASES)
        errors = list(forbidden_fields(task_fields, SUBMIT_ALIASES, NOT_IN_TEMPLATES, path=name, one="task"))
        size = len(json.dumps(task_fields, ensure_ascii=False).encode(errors="replace"))
        if size > TEMPLATE_LIMIT_BYTES:
            raise PayloadTooLarge(size, TEMPLATE_LIMIT_BYTES)
        body = {
            each: value for each, value in task_fields.items() if SUBMIT_ALIASES.get(each, each) not in NOT_IN_TEMPLATES
        }
        try:
            task = self.submission.validate(body, None, tenant=tenant, now=now, random=0)
        except InvalidRequest as invalid:
            return None, [*errors, *below(name, invalid)]
        except UnknownTaskType as unknown:
            return None, [*errors, FieldError(f"{name}.{names.get('type', 'type')}", str(unknown))]
        template = Template(
            kind="task",
            fields={each: value for each, value in fields.items() if each not in NOT_IN_TEMPLATES},
            canonical_form=task.fingerprint.canonical_form,
            mask=task.task.mask,
            lane=self.submission.dispatcher.routing.lane_of_task(task.task),
        )
        return template, errors

    def _workflow_template(
        self, workflow_fields: dict[str, Any], name: str, *, tenant: str, now: int
    ) -> tuple[Template | None, list[FieldError]]:
        fields, _, _ = resolve_aliases(workflow_fields, WORKFLOW_ALIASES)
        errors = list(
            forbidden_fields(workflow_fields, WORKFLOW_ALIASES, NOT_IN_WORKFLOW_TEMPLATES, path=name, one="workflow")
        )
        for node_name, node in nodes_by_name(fields.get("nodes")):
            path = join_paths(name, field_path("nodes", node_name))
            errors += forbidden_fields(node, NODE_ALIASES, NOT_IN_NODE_TEMPLATES, path=path, one="workflow")
        workflows = self.workflows()
        body = {each: value for each, value in fields.items() if each not in NOT_IN_WORKFLOW_TEMPLATES}
        try:
            valid = workflows.validate(workflows.parse(body, now=now), tenant=tenant, now=now)
        except InvalidRequest as invalid:
            return None, [*errors, *below(name, invalid)]
        template = Template(
            kind="workflow",
            fields=body,
            canonical_form=valid.fingerprint.canonical_form,
            mask=mask_of_workflow(body["nodes"], valid),
            lane=workflows.routing.lane_of(valid.specs[0].type, valid.specs[0].priority),
        )
        return template, errors


def forbidden_fields(
    fields: Mapping[str, Any], aliases: Mapping[str, str], forbidden: tuple[str, ...], *, path: str, one: str
) -> Iterator[FieldError]:
    for name, value in fields.items():
        if aliases.get(name, name) in forbidden and value is not None:
            yield FieldError(join_paths(path, name), f"cannot be given: each {one} of a schedule has its own")


def below(name: str, invalid: InvalidRequest) -> list[FieldError]:
    return [FieldError(join_paths(name, each.field), each.message) for each in invalid.errors]


def nodes_by_name(nodes: Any) -> Iterator[tuple[int | str, dict[str, Any]]]:
    """Index or name of each node that is an object, and the node."""
    pairs = nodes.items() if isinstance(nodes, dict) else enumerate(nodes) if isinstance(nodes, list) else ()
    return ((name, node) for name, node in pairs if isinstance(node, dict))


def mask_of_workflow(nodes: list[Any] | dict[str, Any], valid: ValidWorkflow) -> Mask | None:
    """The mask of the body of a workflow: of the payloads of its nodes, which may be a list or a map."""
    names = nodes if isinstance(nodes, dict) else range(len(nodes))
    masks: dict[str, Mask] = {
        str(name): {"payload": spec.mask}
        for name, spec in zip(names, valid.specs, strict=True)
        if spec.mask is not None
    }
    return {"nodes": masks} if masks else None
