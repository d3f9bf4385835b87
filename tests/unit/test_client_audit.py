"""Audit records in the SDK and in the command: requests, pages, typed records, the table."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from taskyard import AsyncTaskyard, AuditRecord
from taskyard.cli.audit import detail_text, outcome_text, principal_text

from tests.unit.client_fake import CREATED, URL, connected
from tests.unit.test_client_cli import Shell
from tests.unit.test_client_dead_letters import ScriptedApi

ENTRY: dict[str, Any] = {
    "at": CREATED,
    "action": "tasks.cancel",
    "operation": "cancelTasks",
    "id": None,
    "principal": "ann@example.com (42)",
    "byOperator": False,
    "principalTenant": None,
    "namedTenant": None,
    "sourceIp": "203.0.113.7",
    "userAgent": "curl/8.7.1",
    "status": 200,
    "problem": None,
    "fields": ["type", "reason"],
    "counts": {"matched": 2, "cancelled": 2},
    "dryRun": False,
    "requestId": "r1",
    "traceId": "1-2-3",
    "cut": ["userAgent"],
}


def page(*entries: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    return {"records": list(entries), "cursor": cursor}


def record(**fields: Any) -> AuditRecord:
    return AuditRecord.from_json(ENTRY | fields)


def test_audit_reads_all_pages_with_the_filter() -> None:
    api = ScriptedApi(page(ENTRY, cursor="next"), page(cursor="more"), page(ENTRY))
    with connected(api) as yard:
        records = list(yard.audit(since=datetime(2026, 2, 1, tzinfo=UTC), principal="ann", action="tasks.cancel"))
    assert len(records) == 2
    queries = [dict(request.url.params) for request in api.requests]
    filter_ = {"since": "2026-02-01T00:00:00.000Z", "principal": "ann", "action": "tasks.cancel", "limit": "100"}
    assert queries == [filter_, filter_ | {"cursor": "next"}, filter_ | {"cursor": "more"}]


def test_audit_of_the_async_client_stops_at_its_limit() -> None:
    async def read() -> list[AuditRecord]:
        api = ScriptedApi(page(ENTRY, cursor="next"))
        async with AsyncTaskyard(URL, "none", transport=httpx.MockTransport(api)) as yard:
            return [each async for each in yard.audit(id="t1", limit=1)]

    assert asyncio.run(read()) == [record()]


def test_record_is_typed() -> None:
    read = record()
    assert read.at == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert (read.fields, read.counts, read.cut) == (("type", "reason"), {"matched": 2, "cancelled": 2}, ("userAgent",))
    assert read.raw == ENTRY
    assert read.succeeded


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "done"),
        ({"dryRun": True}, "dry run"),
        ({"status": 403, "problem": "urn:taskyard:problem:no-role"}, "403 no-role"),
        ({"status": 500, "problem": None}, "500"),
    ],
)
def test_outcome_says_done_or_why_not(fields: dict[str, Any], text: str) -> None:
    assert outcome_text(record(**fields)) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "ann"),
        ({"byOperator": True}, "ann (operator)"),
        ({"byOperator": True, "principalTenant": "support"}, "ann (operator of support)"),
    ],
)
def test_principal_says_whether_it_is_an_operator(fields: dict[str, Any], text: str) -> None:
    assert principal_text(record(principal="ann", **fields)) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "matched 2  cancelled 2  fields type, reason"),
        ({"counts": {}, "fields": []}, ""),
        ({"counts": {}, "fields": [], "namedTenant": "other"}, "tenant other"),
        ({"counts": {}, "fields": [], "action": "operator.read", "operation": "getTask"}, "getTask"),
    ],
)
def test_detail_says_what_a_request_gave_and_did(fields: dict[str, Any], text: str) -> None:
    assert detail_text(record(**fields)) == text


def test_audit_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(ScriptedApi(page(ENTRY | {"principal": "\x1b[2Jeve"})), capsys)
    code, out, _ = shell("audit", "--since", "2026-02-01T00:00:00Z", "--action", "tasks.cancel", "--limit", "5")
    assert code == 0
    heading, row = out.splitlines()
    assert heading.split() == ["TIME", "ACTION", "OUTCOME", "ID", "PRINCIPAL", "FROM", "DETAIL"]
    assert row.startswith("2026-02-01 10:00:00Z  tasks.cancel  done")
    assert "203.0.113.7" in row
    assert "\x1b" not in out
    assert dict(shell.api.requests[0].url.params)["limit"] == "5"


def test_audit_command_prints_the_documents_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = Shell(ScriptedApi(page(ENTRY)), capsys)("audit", "--json")
    assert (code, json.loads(out)) == (0, [ENTRY])
