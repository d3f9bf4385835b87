"""The command for audit records: who did what."""

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from taskyard.api.audit import AuditRecord
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.text import console_for, printable, short_time_text, table

if TYPE_CHECKING:
    from rich.table import Table

    from taskyard.client import Taskyard


def audit(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    records = list(
        yard.audit(
            since=args.since,
            until=args.until,
            principal=args.principal,
            action=args.action,
            id=args.id,
            limit=args.limit,
        )
    )
    if args.json:
        print(json.dumps([record.raw for record in records], ensure_ascii=False))
    elif records:
        console = console_for()
        console.print(records_table(records, console.width))
    else:
        print("no audit records")
    return ExitCode.OK


def records_table(records: Iterable[AuditRecord], width: int) -> "Table":
    rows = [
        {
            "TIME": short_time_text(record.at),
            "ACTION": printable(record.action),
            "OUTCOME": outcome_text(record),
            "ID": printable(record.id or ""),
            "PRINCIPAL": principal_text(record),
            "FROM": printable(record.source_ip or ""),
            "DETAIL": detail_text(record),
        }
        for record in records
    ]
    return table(rows, width, optional=("FROM", "DETAIL"), wrapping=("PRINCIPAL", "DETAIL"))


def outcome_text(record: AuditRecord) -> str:
    """`done`, or the status with the slug of the problem."""
    if record.succeeded:
        return "dry run" if record.dry_run else "done"
    return printable(f"{record.status} {(record.problem or '').rpartition(':')[2]}".strip())


def principal_text(record: AuditRecord) -> str:
    if not record.by_operator:
        return printable(record.principal)
    own = f" of {record.principal_tenant}" if record.principal_tenant else ""
    return printable(f"{record.principal} (operator{own})")


def detail_text(record: AuditRecord) -> str:
    """What a bulk act did, and which fields the request gave."""
    parts = [f"{name} {count}" for name, count in record.counts.items()]
    if record.fields:
        parts.append(f"fields {', '.join(record.fields)}")
    if record.named_tenant:
        parts.append(f"tenant {record.named_tenant}")
    if record.action.startswith("operator."):
        parts.append(record.operation)
    return printable("  ".join(parts))
