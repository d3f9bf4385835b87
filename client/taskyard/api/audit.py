"""/audit: who did what in a tenant. Models, options and calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from taskyard.api.json_fields import Json, mapping_of, strings_of
from taskyard.api.request_fields import FieldMap, same_value, to_fields
from taskyard.api.requests import query_of
from taskyard.times import from_iso_time, iso_time
from taskyard.transport.call import Call, Request


class AuditFilter(TypedDict, total=False):
    """Which records. since, until: when (until: exclusive). principal: part of the name. action: such as
    `task.cancel`. id: of the task, workflow or schedule."""

    since: datetime | None
    until: datetime | None
    principal: str | None
    action: str | None
    id: str | None


AUDIT_FIELDS: FieldMap = {
    "since": ("since", iso_time),
    "until": ("until", iso_time),
    "principal": ("principal", same_value),
    "action": ("action", same_value),
    "id": ("id", same_value),
}


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act, or the refused attempt. operation: of the API. by_operator: the principal acted in another tenant than
    its own; principal_tenant is its own then, if it has one. named_tenant: the other tenant that the principal was
    refused. status, problem: HTTP status of the answer, and the type of its problem. fields: of the body, without their
    values. counts: of a bulk act. cut: names of the fields that are not complete."""

    at: datetime
    action: str
    principal: str
    status: int
    operation: str = ""
    id: str | None = None
    by_operator: bool = False
    principal_tenant: str | None = None
    named_tenant: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    problem: str | None = None
    fields: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
    request_id: str | None = None
    trace_id: str | None = None
    cut: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @property
    def succeeded(self) -> bool:
        return self.status < 300

    @classmethod
    def from_json(cls, document: Json) -> "AuditRecord":
        return cls(
            at=from_iso_time(document["at"]),
            action=str(document["action"]),
            principal=str(document["principal"]),
            status=int(document["status"]),
            operation=str(document.get("operation") or ""),
            id=document.get("id"),
            by_operator=bool(document.get("byOperator")),
            principal_tenant=document.get("principalTenant"),
            named_tenant=document.get("namedTenant"),
            source_ip=document.get("sourceIp"),
            user_agent=document.get("userAgent"),
            problem=document.get("problem"),
            fields=strings_of(document, "fields"),
            counts=mapping_of(document, "counts"),
            dry_run=bool(document.get("dryRun")),
            request_id=document.get("requestId"),
            trace_id=document.get("traceId"),
            cut=strings_of(document, "cut"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page, newest first. `cursor` is None on the last one. A page may be short, or empty, and not last."""

    records: tuple[AuditRecord, ...]
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "AuditPage":
        records = tuple(AuditRecord.from_json(entry) for entry in document.get("records") or ())
        return cls(records, document.get("cursor") or None)


def page(limit: int, cursor: str | None, filter: AuditFilter) -> Call[AuditPage]:
    query = query_of(**to_fields(filter, AUDIT_FIELDS), limit=limit, cursor=cursor)
    return Call(Request("GET", f"/audit{query}"), AuditPage.from_json)
