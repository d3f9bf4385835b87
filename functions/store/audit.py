"""Audit records: one item each, in a partition per tenant, without an index entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from functions.core.audit import AuditRecord
from functions.store import keys
from functions.store.records import Item, number_value, string_value, to_json
from functions.store.table import Table

TEXTS = {
    "principal": "principal",
    "action": "action",
    "operation": "operation",
    "id": "id",
    "principal_tenant": "ownTenant",
    "named_tenant": "namedTenant",
    "source_ip": "ip",
    "user_agent": "agent",
    "problem": "problem",
    "trace_id": "trace",
}
"""Field of AuditRecord → attribute. Names of attributes count in the size of an item."""


@dataclass(frozen=True)
class AuditPage:
    """`after`: sort key where the next page begins; None on the last page. A page that is not the last may be short or
    empty: the search stops after `read_limit` records."""

    records: list[AuditRecord]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class AuditStore:
    """`retention_seconds`: how long a record is kept. Nothing changes a record; TTL deletes it."""

    table: Table
    retention_seconds: int

    def put(self, record: AuditRecord) -> None:
        """One call and one write unit. Records of one millisecond differ in their request's id."""
        self.table.put(item_from_record(record.within_limits(), self.retention_seconds), if_absent=False)

    def page(
        self,
        tenant: str,
        *,
        limit: int,
        read_limit: int,
        since: int | None = None,
        until: int | None = None,
        after: str | None = None,
        matches: Callable[[AuditRecord], bool] | None = None,
    ) -> AuditPage:
        """Newest first: records at `since` or later and before `until` (epoch ms), and before the sort key `after`,
        that `matches` accepts (None: all)."""
        lowest = f"{since or 0:013d}"
        highest = min(each for each in (after, None if until is None else f"{until:013d}", "~") if each is not None)
        if highest <= lowest:
            # There is nothing between the two, and DynamoDB refuses a BETWEEN with the larger value first.
            return AuditPage([], None)
        # BETWEEN includes `after` itself, and one record more than are read shows whether another page follows.
        page_size = (limit if matches is None else read_limit) + 2
        items = self.table.query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :lowest AND :highest",
            ExpressionAttributeValues={
                ":pk": string_value(keys.audit_partition(tenant)),
                ":lowest": string_value(lowest),
                ":highest": string_value(highest),
            },
            ScanIndexForward=False,
            Limit=page_size,
        )
        records: list[AuditRecord] = []
        last: str | None = None
        others = (item for item in items if item["sk"]["S"] != after)
        for read, item in enumerate(islice(others, read_limit + 1)):
            if len(records) == limit or read == read_limit:
                return AuditPage(records, last)
            last = item["sk"]["S"]
            record = record_from_item(item)
            if matches is None or matches(record):
                records.append(record)
        return AuditPage(records, None)


def item_from_record(record: AuditRecord, retention_seconds: int) -> Item:
    item: Item = {
        "pk": string_value(keys.audit_partition(record.tenant)),
        "sk": string_value(keys.audit_sort_key(record.at, record.request_id)),
        "status": number_value(record.status),
        "expiresAt": number_value(record.at // 1000 + retention_seconds),
    }
    for name, attribute in TEXTS.items():
        value: str | None = getattr(record, name)
        if value is not None:
            item[attribute] = string_value(value)
    for attribute, names in (("fields", record.fields), ("cut", record.cut)):
        if names:
            item[attribute] = string_value(",".join(names))
    if record.counts:
        item["counts"] = string_value(to_json(dict(record.counts)))
    for attribute, applies in (("dryRun", record.dry_run), ("operator", record.by_operator)):
        if applies:
            item[attribute] = {"BOOL": True}
    return item


def record_from_item(item: Item) -> AuditRecord:
    def text(attribute: str) -> str | None:
        return item[attribute]["S"] if attribute in item else None

    def names(attribute: str) -> tuple[str, ...]:
        return tuple(item[attribute]["S"].split(",")) if attribute in item else ()

    at, _, request_id = item["sk"]["S"].partition("#")
    return AuditRecord(
        at=int(at),
        request_id=request_id,
        tenant=item["pk"]["S"].removeprefix(keys.audit_partition("")),
        principal=item["principal"]["S"],
        action=item["action"]["S"],
        operation=item["operation"]["S"],
        status=int(item["status"]["N"]),
        principal_tenant=text("ownTenant"),
        named_tenant=text("namedTenant"),
        id=text("id"),
        source_ip=text("ip"),
        user_agent=text("agent"),
        problem=text("problem"),
        fields=names("fields"),
        counts=json.loads(item["counts"]["S"]) if "counts" in item else {},
        dry_run="dryRun" in item,
        by_operator="operator" in item,
        trace_id=text("trace"),
        cut=names("cut"),
    )
