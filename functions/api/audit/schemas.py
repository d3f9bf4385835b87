"""The JSON of audit records, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from functions.core.audit import Action
from functions.intake.task_schemas import Time


class AuditRecord(TypedDict):
    """Who did what. It holds names of fields, never their values."""

    at: Time
    action: Annotated[str, Field(description=f"One of {', '.join(Action)}; of older records perhaps another.")]
    operation: Annotated[str, Field(description="The operationId of the request.")]
    id: Annotated[str | None, Field(description="Of the task, workflow or schedule; null for many.")]
    principal: Annotated[str, Field(description="Who.")]
    byOperator: Annotated[bool, Field(description="The principal acted in another tenant than its own.")]
    principalTenant: Annotated[str | None, Field(description="Its own, if it has one and acted in another.")]
    namedTenant: Annotated[str | None, Field(description="The other tenant that the principal was refused.")]
    sourceIp: str | None
    userAgent: str | None
    status: Annotated[int, Field(description="HTTP status of the answer.")]
    problem: Annotated[str | None, Field(description="Type of the problem: urn:taskyard:problem:…")]
    fields: Annotated[list[str], Field(description="Fields of the body, without their values.")]
    counts: Annotated[dict[str, int], Field(description="Of a bulk act, as its answer has them.")]
    dryRun: bool
    requestId: Annotated[str, Field(description="Find it in the logs of the function.")]
    traceId: str | None
    cut: Annotated[list[str], Field(description="Which of these are not complete, because they were too long.")]


class AuditList(TypedDict):
    records: list[AuditRecord]
    cursor: Annotated[
        str | None,
        Field(description="For the next page; null on the last one. A page may be short and not last."),
    ]
