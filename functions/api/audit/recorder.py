"""Writes the audit record of a request, after its answer is made."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from functions.api.routing import resolve
from functions.core.audit import Action, AuditRecord
from functions.core.errors import TaskyardError
from functions.core.identity.errors import InvalidTenant, NoRole
from functions.intake import problems
from functions.runtime.metrics import Metrics
from functions.store.audit import AuditStore

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

    from functions.api.request import ApiRequest

logger = logging.getLogger("taskyard.audit")


@dataclass(frozen=True, kw_only=True)
class AuditRecorder:
    store: AuditStore
    metrics: Metrics

    def record(self, request: ApiRequest, response: Response[Any], error: Exception | None) -> None:
        """`error`: what `response` is the problem of. Raises nothing.

        The act is done, so its answer stands whatever becomes of the record. A record that cannot be written is logged
        whole, and a metric with an alarm counts it; nobody writes it later. A process that dies between the act and
        the record leaves the line of the access log only.
        """
        document: dict[str, Any] = {"operation": request.route.name, "request_id": request.request_id}
        try:
            record = audit_record(request, response, error)
            if record is None:
                return
            document = {name: value for name, value in asdict(record).items() if value}
            logger.info(record.action, extra={"audit": document})
            self.store.put(record)
        except Exception:
            logger.exception("audit record not written", extra={"audit": document})
            self.metrics.count("AuditRecordUnwritten")
            self.metrics.flush(request.now)


def audit_record(request: ApiRequest, response: Response[Any], error: Exception | None) -> AuditRecord | None:
    """None for a request that is not audited: of a route without an action by a principal in its own tenant, or without
    a principal or a tenant, whose list it could be in."""
    try:
        caller = request.caller
    except TaskyardError:
        return None
    acts_elsewhere = request.named_tenant is not None and request.named_tenant != caller.tenant
    tenant, is_refused = caller.tenant, False
    if acts_elsewhere:
        try:
            tenant = request.principal.tenant
        except TaskyardError as refusal:
            # In the list of the principal's own tenant: nobody else fills a tenant's list.
            is_refused = True
            # What no tenant is called, a read reaches no tenant by.
            acts_elsewhere = not isinstance(refusal, InvalidTenant)
    body = {} if is_refused or isinstance(error, NoRole) else known_fields(request)
    action = action_of(request, body, acts_elsewhere=acts_elsewhere)
    if action is None or tenant is None:
        return None
    http = (request.event.get("requestContext") or {}).get("http") or {}
    answer = bulk_answer(request, response) if error is None else {}
    return AuditRecord(
        at=request.now,
        request_id=request.request_id,
        tenant=tenant,
        principal=caller.name,
        by_operator=acts_elsewhere and not is_refused,
        principal_tenant=caller.tenant if acts_elsewhere and not is_refused else None,
        named_tenant=request.named_tenant if is_refused else None,
        action=action,
        operation=request.route.name,
        id=request.path_id or id_of_location(response),
        source_ip=http.get("sourceIp"),
        user_agent=http.get("userAgent"),
        status=response.status_code,
        problem=None if error is None else problems.slug_of(error),
        fields=tuple(body),
        counts={name: count_of(answer[name]) for name in request.route.audit_counts if name in answer},
        dry_run=bool(answer.get("dryRun")),
        trace_id=trace_id(request.header("x-amzn-trace-id")),
    ).within_limits()


def bulk_answer(request: ApiRequest, response: Response[Any]) -> Mapping[str, Any]:
    """The answer whose counts the record has."""
    if not request.route.audit_counts:
        return {}
    answer: Mapping[str, Any] = json.loads(response.body or "{}")
    return answer


def action_of(request: ApiRequest, body: Mapping[str, Any], *, acts_elsewhere: bool) -> Action | None:
    route = request.route
    if route.audit is not None:
        actions = (route.audit_by_field.get((name, value)) for name, value in body.items() if isinstance(value, bool))
        return next((action for action in actions if action is not None), route.audit)
    if not acts_elsewhere:
        return None
    return Action.OPERATOR_READ if route.method == "GET" else Action.OPERATOR_SUBMIT


def known_fields(request: ApiRequest) -> Mapping[str, Any]:
    """Fields of the body that its model has, under their own names. Others are left out: a caller may name them
    anything."""
    if not request.route.body or not request.event.get("body"):
        return {}
    try:
        body = request.body()
    except TaskyardError:
        return {}
    model = resolve(request.route.body)
    names = {each.alias or name for name, each in model.model_fields.items()}
    canonical = {model.aliases.get(name, name): value for name, value in body.items()}
    return {name: value for name, value in canonical.items() if name in names}


def id_of_location(response: Response[Any]) -> str | None:
    """Of what the request has made."""
    location = response.headers.get("Location")
    return str(location).rpartition("/")[2] if location else None


def count_of(value: Any) -> int:
    """Of a number, or of a list that the answer names them in."""
    return len(value) if isinstance(value, list) else int(value)


def trace_id(header: str | None) -> str | None:
    """`Root=1-…;Parent=…` → `1-…`."""
    parts = dict(part.split("=", 1) for part in (header or "").split(";") if "=" in part)
    return parts.get("Root")
