"""GET /audit: newest first, filtered, page by page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.api.paging import OTHER_FILTER, UNKNOWN_CURSOR, limit_of, list_cursor, list_position
from functions.api.request import QueryParameters
from functions.core.audit import Action, AuditRecord
from functions.core.errors import FieldError, InvalidRequest
from functions.core.times import InvalidTime, epoch_ms, iso_time
from functions.intake.problems import PREFIX
from functions.store.audit import AuditStore

if TYPE_CHECKING:
    from functions.api.audit import schemas

POSITION = re.compile(r"[0-9]{13}#[0-9A-Za-z-]{1,64}")
RECORDS_READ_LIMIT = 1000
"""Records that one request reads at most, at half a read unit for 4 KB of them: about 70 read units."""
TEXT_LIMIT = 256


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """`principal`: part of the name. `since`, `until`: epoch ms."""

    principal: str | None
    action: str | None
    id: str | None
    since: int | None
    until: int | None

    def matches(self, record: AuditRecord) -> bool:
        return (
            (self.principal is None or self.principal in record.principal)
            and (self.action is None or record.action == self.action)
            and (self.id is None or record.id == self.id)
        )

    @property
    def predicate(self) -> Callable[[AuditRecord], bool] | None:
        """None when the times decide alone."""
        return None if self.principal is self.action is self.id is None else self.matches

    def digest(self, tenant: str) -> str:
        """Of everything that must be the same on each page of a list."""
        fields = (tenant, self.principal, self.action, self.id, self.since, self.until)
        return hashlib.blake2b(repr(fields).encode(errors="replace"), digest_size=6).hexdigest()


@dataclass(frozen=True)
class AuditReader:
    store: AuditStore

    def page(self, tenant: str, query: QueryParameters) -> schemas.AuditList:
        """Raises InvalidRequest with every parameter at fault."""
        errors = list(query.errors)
        limit = limit_of(query, errors)
        filter_ = audit_filter(query, errors)
        after = None
        if cursor := query.get("cursor"):
            after, digest = list_position(cursor, POSITION)
            if after is None:
                errors.append(FieldError("cursor", UNKNOWN_CURSOR))
            elif digest != filter_.digest(tenant) and not errors:
                errors.append(FieldError("cursor", OTHER_FILTER))
        if errors:
            raise InvalidRequest(errors)
        page = self.store.page(
            tenant,
            limit=limit,
            read_limit=RECORDS_READ_LIMIT,
            since=filter_.since,
            until=filter_.until,
            after=after,
            matches=filter_.predicate,
        )
        return {
            "records": [record_view(record) for record in page.records],
            "cursor": None if page.after is None else list_cursor(page.after, filter_.digest(tenant)),
        }


def audit_filter(query: QueryParameters, errors: list[FieldError]) -> AuditFilter:
    """`errors` gets one more for each parameter at fault."""
    times: dict[str, int | None] = {"since": None, "until": None}
    for name in times:
        if text := query.get(name):
            try:
                times[name] = epoch_ms(text)
            except InvalidTime as invalid:
                errors.append(FieldError(name, str(invalid)))
    since, until = times["since"], times["until"]
    if since is not None and until is not None and since >= until:
        errors.append(FieldError("until", "must be later than since"))
    action = query.get("action")
    if action is not None and action not in list(Action):
        errors.append(FieldError("action", f"must be one of {', '.join(Action)}"))
    errors += [
        FieldError(name, f"must be at most {TEXT_LIMIT} characters")
        for name in ("principal", "id")
        if len(query.get(name) or "") > TEXT_LIMIT
    ]
    return AuditFilter(principal=query.get("principal"), action=action, id=query.get("id"), since=since, until=until)


def record_view(record: AuditRecord) -> schemas.AuditRecord:
    return {
        "at": iso_time(record.at),
        "action": record.action,
        "operation": record.operation,
        "id": record.id,
        "principal": record.principal,
        "byOperator": record.by_operator,
        "principalTenant": record.principal_tenant,
        "namedTenant": record.named_tenant,
        "sourceIp": record.source_ip,
        "userAgent": record.user_agent,
        "status": record.status,
        "problem": None if record.problem is None else PREFIX + record.problem,
        "fields": list(record.fields),
        "counts": dict(record.counts),
        "dryRun": record.dry_run,
        "requestId": record.request_id,
        "traceId": record.trace_id,
        "cut": [CUT_NAMES.get(name, name) for name in record.cut],
    }


CUT_NAMES = {
    "principal_tenant": "principalTenant",
    "named_tenant": "namedTenant",
    "source_ip": "sourceIp",
    "user_agent": "userAgent",
    "trace_id": "traceId",
}
"""Field of AuditRecord → its name in the answer, where they differ."""
