"""Audit records: which requests have one, what is in it, what it costs, and who may read it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from functions.api import handler
from functions.api.routes import ROUTES
from functions.api.routing import Route
from functions.core.audit import Action, AuditRecord
from functions.core.errors import StoreUnavailable
from functions.store.audit import AuditStore
from local.aws.capacity import item_bytes
from tests.integration.api import MESSAGE, Answer, Api, request
from tests.integration.cloud import Cloud, is_audit_record
from tests.integration.conftest import START, Clock

ID = "01kge3h900nxwjw3yyr4p0tse3"
HOURLY = {"rate": "1 hour", "task": MESSAGE}
SECRET = "correct horse battery staple"

ACTIONS: dict[str, Action | None] = {
    "POST /tasks": None,
    "GET /tasks": None,
    "POST /tasks/batch": None,
    "POST /tasks/cancel": Action.TASKS_CANCEL,
    "GET /tasks/{id}": None,
    "PATCH /tasks/{id}": Action.TASK_CHANGE,
    "DELETE /tasks/{id}": Action.TASK_CANCEL,
    "POST /tasks/{id}/retry": Action.TASK_RETRY,
    "POST /workflows": None,
    "GET /workflows": None,
    "GET /workflows/{id}": None,
    "GET /workflows/{id}/graph": None,
    "DELETE /workflows/{id}": Action.WORKFLOW_CANCEL,
    "POST /workflows/{id}/retry": Action.WORKFLOW_RETRY,
    "POST /schedules": Action.SCHEDULE_CREATE,
    "GET /schedules": None,
    "GET /schedules/{id}": None,
    "PATCH /schedules/{id}": Action.SCHEDULE_CHANGE,
    "DELETE /schedules/{id}": Action.SCHEDULE_DELETE,
    "POST /schedules/{id}/run": Action.SCHEDULE_RUN,
    "GET /dead-letters": None,
    "POST /dead-letters/redrive": Action.DEAD_LETTERS_REDRIVE,
    "GET /notifications": None,
    "GET /audit": None,
    "GET /monitor/health": None,
    "GET /monitor/stats": None,
    "GET /openapi.json": None,
    "GET /docs": None,
}
BODIES = {"POST /schedules": HOURLY, "POST /tasks": MESSAGE, "POST /tasks/cancel": {"type": "DELAYED_MESSAGE"}}


@dataclass(frozen=True)
class Caller:
    """Someone with a token: `call("DELETE", "/tasks/…")`."""

    aws: Cloud
    role: str
    tenant: str | None = "acme"
    name: str = "ann"

    def __call__(self, method: str, path: str, body: Any = None, *, tenant: str = "", **more: Any) -> Answer:
        """`tenant`: named in the header."""
        headers = {"X-Taskyard-Tenant": tenant} if tenant else {}
        sent = request(method, path, body, headers=headers | more.pop("headers", {}), **more)
        claims = {"sub": self.name, "scope": f"openid {self.role}"} | ({"org": self.tenant} if self.tenant else {})
        sent["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        return Api(self.aws).send(sent)

    def submit(self, **fields: Any) -> str:
        answer = self("POST", "/tasks", {**MESSAGE, **fields})
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    def records(self, **query: str) -> list[dict[str, Any]]:
        answer = self("GET", "/audit", query=query)
        assert answer.status == 200, answer.body
        return list(answer.body["records"])


@pytest.fixture
def caller(aws: Cloud, clock: Clock) -> Callable[..., Caller]:
    """caller(role, tenant=…, name=…)."""
    return lambda role, **more: Caller(aws, role, **more)


@pytest.fixture
def admin(caller: Callable[..., Caller]) -> Caller:
    return caller("admin")


def stored(aws: Cloud) -> list[dict[str, Any]]:
    return [item for item in aws.items() if is_audit_record(item)]


def path_of(route: Route) -> str:
    return route.path.replace("{id}", ID)


# -- which requests are audited


def test_each_route_is_audited_as_the_table_says() -> None:
    assert {route.key: route.audit for route in ROUTES} == ACTIONS


def test_each_action_belongs_to_one_route_or_to_operators() -> None:
    of_routes = [action for route in ROUTES for action in (route.audit, *route.audit_by_field.values()) if action]
    assert sorted(of_routes) == sorted({*Action} - {Action.OPERATOR_READ, Action.OPERATOR_SUBMIT})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_request_has_a_record_where_its_route_is_audited(aws: Cloud, admin: Caller, route: Route) -> None:
    answer = admin(route.method, path_of(route), BODIES.get(route.key, {} if route.body else None))
    expected = [(str(route.audit), answer.status)] if route.audit else []
    assert [(item["action"]["S"], int(item["status"]["N"])) for item in stored(aws)] == expected


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.open], ids=lambda route: route.key)
def test_everything_that_an_operator_does_in_another_tenant_has_a_record(
    caller: Callable[..., Caller], route: Route
) -> None:
    operator = caller("operator", tenant="support", name="olga")
    answer = operator(route.method, path_of(route), BODIES.get(route.key, {} if route.body else None), tenant="acme")
    reads = Action.OPERATOR_READ if route.method == "GET" else Action.OPERATOR_SUBMIT
    [record] = caller("admin").records()
    assert (record["action"], record["operation"], record["status"]) == (
        str(route.audit or reads),
        route.name,
        answer.status,
    )
    assert (record["principal"], record["byOperator"], record["principalTenant"]) == ("olga", True, "support")
    assert operator.records() == []


@pytest.mark.parametrize("route", [route for route in ROUTES if route.audit], ids=lambda route: route.key)
def test_denied_act_has_a_record(aws: Cloud, caller: Callable[..., Caller], route: Route) -> None:
    answer = caller("viewer", name="eve")(route.method, path_of(route), {"type": SECRET} if route.body else None)
    assert answer.status == 403
    [record] = caller("admin").records()
    assert (record["action"], record["principal"], record["status"], record["problem"]) == (
        str(route.audit),
        "eve",
        403,
        "urn:taskyard:problem:no-role",
    )
    assert record["fields"] == []


def test_refused_tenant_is_recorded_in_the_principals_own_list(caller: Callable[..., Caller]) -> None:
    assert caller("submitter", name="eve")("GET", f"/tasks/{ID}", tenant="other").status == 403
    [record] = caller("admin").records()
    assert (record["action"], record["status"], record["namedTenant"]) == ("operator.read", 403, "other")
    assert record["byOperator"] is False
    assert caller("admin", tenant="other").records() == []


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_text_that_is_no_tenants_name_is_recorded_with_acts_only(caller: Callable[..., Caller], role: str) -> None:
    for method in ("GET", "DELETE"):
        assert caller(role)(method, f"/tasks/{ID}", tenant="a b").status == 403
    [record] = caller("admin").records()
    assert (record["action"], record["namedTenant"], record["byOperator"]) == ("task.cancel", "a b", False)


def test_operator_without_a_tenant_is_recorded_in_the_tenant_that_it_names(caller: Callable[..., Caller]) -> None:
    caller("operator", tenant=None, name="olga")("GET", "/tasks", tenant="acme")
    [record] = caller("admin").records()
    assert (record["principal"], record["byOperator"], record["principalTenant"]) == ("olga", True, None)


@pytest.mark.parametrize("claims", [{}, {"sub": "eve", "scope": "nothing", "org": "acme"}])
def test_caller_that_is_no_principal_has_no_record(aws: Cloud, admin: Caller, claims: dict[str, str]) -> None:
    sent = request("DELETE", f"/tasks/{ID}")
    sent["requestContext"]["authorizer"] = {"jwt": {"claims": claims}} if claims else None
    assert Api(aws).send(sent).status == 403
    assert stored(aws) == []


def test_naming_ones_own_tenant_is_no_act_of_an_operator(aws: Cloud, admin: Caller) -> None:
    assert admin("GET", "/tasks", tenant="acme").status == 200
    assert stored(aws) == []


# -- what is in a record


def test_record_of_a_cancelled_task(admin: Caller) -> None:
    task = admin.submit(delaySeconds=60)
    admin("DELETE", f"/tasks/{task}")
    [record] = admin.records()
    assert record.pop("requestId")
    assert record == {
        "at": "2026-02-02T02:40:00.000Z",
        "action": "task.cancel",
        "operation": "cancelTask",
        "id": task,
        "principal": "ann",
        "byOperator": False,
        "principalTenant": None,
        "namedTenant": None,
        "sourceIp": "203.0.113.7",
        "userAgent": record["userAgent"],
        "status": 204,
        "problem": None,
        "fields": [],
        "counts": {},
        "dryRun": False,
        "traceId": "1-698010c0-5f1d7c0f2b8e4a6d9c3b1a20",
        "cut": [],
    }
    assert record["userAgent"]


@pytest.mark.parametrize(
    ("method", "path", "body", "outcome"),
    [
        ("DELETE", f"/tasks/{ID}", None, (404, "task-not-found")),
        ("DELETE", "/tasks/" + "x" * 300, None, (404, "task-not-found")),
        ("POST", f"/tasks/{ID}/retry", {"attempts": 0}, (422, "invalid-request")),
        ("PATCH", f"/tasks/{ID}", "{", (400, "malformed-body")),
        ("POST", "/schedules", {"rate": "never"}, (422, "invalid-request")),
        ("POST", f"/workflows/{ID}/retry", None, (404, "workflow-not-found")),
        ("POST", "/tasks/cancel", {}, (422, "invalid-request")),
    ],
)
def test_refused_act_is_recorded_with_its_outcome(
    admin: Caller, method: str, path: str, body: Any, outcome: tuple[int, str]
) -> None:
    status, problem = outcome
    assert admin(method, path, body).status == status
    [record] = admin.records()
    assert (record["status"], record["problem"]) == (status, f"urn:taskyard:problem:{problem}")


def test_second_cancel_of_a_started_task_is_recorded_as_409(aws: Cloud, admin: Caller) -> None:
    task = admin.submit()
    aws.work_off()
    assert admin("DELETE", f"/tasks/{task}").status == 409
    assert admin.records()[0]["problem"] == "urn:taskyard:problem:not-allowed-in-state"


def test_record_has_names_of_known_fields_and_no_values(aws: Cloud, admin: Caller) -> None:
    task = admin.submit(delaySeconds=60)
    body = {"run_at": "2026-02-03T00:00:00Z", "payload": {"message": SECRET}, SECRET: SECRET}
    admin("PATCH", f"/tasks/{task}", body, headers={"Idempotency-Key": SECRET})
    [record] = admin.records()
    assert record["fields"] == ["runAt", "payload"]
    assert SECRET not in json.dumps(stored(aws))


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"paused": True}, "schedule.pause"),
        ({"paused": False}, "schedule.resume"),
        ({"name": "x"}, "schedule.change"),
        ({"name": "x", "paused": True}, "schedule.pause"),
        ({"paused": 1}, "schedule.change"),
    ],
)
def test_change_of_a_schedule_is_named_by_what_it_does(admin: Caller, body: dict[str, Any], action: str) -> None:
    admin("PATCH", f"/schedules/{ID}", body)
    [record] = admin.records()
    assert (record["action"], record["fields"]) == (action, list(body))


def test_created_schedule_is_recorded_with_its_id(admin: Caller) -> None:
    schedule = admin("POST", "/schedules", HOURLY).body["id"]
    [record] = admin.records()
    assert (record["action"], record["id"], record["status"]) == ("schedule.create", schedule, 201)


def test_bulk_cancel_is_recorded_with_its_counts(admin: Caller) -> None:
    ids = [admin.submit(delaySeconds=60) for _ in range(3)]
    admin("POST", "/tasks/cancel", {"ids": [*ids, ID]})
    admin("POST", "/tasks/cancel", {"ids": ids, "dryRun": True})
    by_dry_run = {record["dryRun"]: record for record in admin.records()}
    assert by_dry_run[False]["counts"] == {"matched": 3, "cancelled": 3, "refused": 1}
    assert by_dry_run[False]["fields"] == ["ids"]
    assert by_dry_run[True]["fields"] == ["ids", "dryRun"]
    assert by_dry_run[True]["id"] is None


def test_redrive_is_recorded_with_its_counts(admin: Caller) -> None:
    assert admin("POST", "/dead-letters/redrive").status == 200
    [record] = admin.records()
    assert (record["action"], record["counts"]) == (
        "dead-letters.redrive",
        {"matched": 0, "redriven": 0, "skipped": 0},
    )


def test_each_record_is_a_log_line(admin: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="taskyard.audit"):
        admin("DELETE", f"/tasks/{ID}")
    [line] = caplog.records
    assert line.getMessage() == "task.cancel"
    audit: dict[str, Any] = vars(line)["audit"]
    assert (audit["id"], audit["principal"], audit["status"]) == (ID, "ann", 404)


# -- what it costs


def audited_calls(aws: Cloud) -> list[Any]:
    return [call for call in aws.calls if call.is_of_audit]


def test_audited_act_costs_one_call_and_one_write_unit(aws: Cloud, admin: Caller) -> None:
    task = admin.submit(delaySeconds=60)
    aws.forget_calls()
    admin("DELETE", f"/tasks/{task}")
    with_record = aws.called()
    [call] = audited_calls(aws)
    assert with_record[-1] == "dynamodb.PutItem"
    assert item_bytes(call.parameters["Item"]) <= 1024
    assert not {"listPk", "deadPk"} & call.parameters["Item"].keys()
    assert "ConditionExpression" not in call.parameters


def test_submit_and_reads_of_ones_own_tenant_cost_nothing_more(aws: Cloud, admin: Caller) -> None:
    task = admin.submit()
    assert aws.called() == ["sqs.SendMessage", "dynamodb.PutItem"]
    aws.forget_calls()
    admin("GET", f"/tasks/{task}")
    assert aws.called() == ["dynamodb.GetItem"]
    assert stored(aws) == []
    assert "audit_recorder" not in vars(handler.services())


def test_record_expires_by_its_own_retention(aws: Cloud, admin: Caller) -> None:
    admin("DELETE", f"/tasks/{ID}")
    [item] = stored(aws)
    assert int(item["expiresAt"]["N"]) == START // 1000 + 30 * 86_400


# -- when the record cannot be written


def test_act_stands_when_its_record_cannot_be_written(
    aws: Cloud,
    admin: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(store: AuditStore, record: AuditRecord) -> None:
        raise StoreUnavailable("DynamoDB", "ThrottlingException")

    task = admin.submit(delaySeconds=60)
    monkeypatch.setattr(AuditStore, "put", refuse)
    assert admin("DELETE", f"/tasks/{task}").status == 204
    assert admin("GET", f"/tasks/{task}").body["state"] == "CANCELLED"
    [error] = [line for line in caplog.records if line.levelno == logging.ERROR]
    audit: dict[str, Any] = vars(error)["audit"]
    assert (audit["action"], audit["id"], audit["principal"]) == ("task.cancel", task, "ann")
    assert '"AuditRecordUnwritten":1' in capsys.readouterr().out


# -- reading them


def test_list_is_newest_first_and_pages_meet(admin: Caller, clock: Clock) -> None:
    for _ in range(5):
        admin("DELETE", f"/tasks/{ID}")
        clock.advance(1)
    times, cursor = [], ""
    while True:
        page = admin("GET", "/audit", query={"limit": "2"} | ({"cursor": cursor} if cursor else {})).body
        times += [record["at"] for record in page["records"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert times == [f"2026-02-02T02:40:0{second}.000Z" for second in (4, 3, 2, 1, 0)]


def test_records_of_one_millisecond_are_all_there(admin: Caller) -> None:
    for _ in range(5):
        admin("DELETE", f"/tasks/{ID}")
    assert len({record["requestId"] for record in admin.records()}) == 5


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ({}, [3, 2, 1, 0]),
        ({"since": "2026-02-02T02:40:02Z"}, [3, 2]),
        ({"until": "2026-02-02T02:40:02Z"}, [1, 0]),
        ({"since": "2026-02-02T02:40:01Z", "until": "2026-02-02T02:40:03Z"}, [2, 1]),
        ({"since": "2027-01-01T00:00:00Z"}, []),
        ({"action": "task.retry"}, [3, 1]),
        ({"principal": "bob"}, [2]),
        ({"id": "other"}, [1]),
        ({"action": "task.retry", "since": "2026-02-02T02:40:02Z"}, [3]),
        ({"principal": "nobody"}, []),
    ],
)
def test_list_is_filtered(
    caller: Callable[..., Caller], clock: Clock, query: dict[str, str], seconds: list[int]
) -> None:
    ann, bob = caller("admin", name="ann (1)"), caller("admin", name="bob (2)")
    for who, method, path in [
        (ann, "DELETE", f"/tasks/{ID}"),
        (ann, "POST", "/tasks/other/retry"),
        (bob, "DELETE", f"/tasks/{ID}"),
        (ann, "POST", f"/tasks/{ID}/retry"),
    ]:
        who(method, path)
        clock.advance(1)
    assert [int(record["at"][17:19]) for record in ann.records(**query)] == seconds


def test_rare_record_is_found_over_several_pages(
    caller: Callable[..., Caller], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.api.audit.reader.RECORDS_READ_LIMIT", 2)
    ann, bob = caller("admin", name="ann"), caller("admin", name="bob")
    for who in (bob, ann, ann, ann, ann):
        who("DELETE", f"/tasks/{ID}")
        clock.advance(1)
    query, found = {"principal": "bob"}, []
    for _ in range(3):
        page = ann("GET", "/audit", query=query).body
        found.append([record["principal"] for record in page["records"]])
        query = {"principal": "bob", "cursor": page["cursor"]}
    assert found == [[], [], ["bob"]]
    assert page["cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-02"}, "until"),
        ({"since": "2026-02-02T00:00:00Z", "until": "2026-02-02T00:00:00Z"}, "until"),
        ({"action": "task.sing"}, "action"),
        ({"principal": "x" * 257}, "principal"),
        ({"id": "x" * 257}, "id"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "bm8"}, "cursor"),
        ({"tenant": "other"}, "tenant"),
    ],
)
def test_parameter_at_fault_is_named(admin: Caller, query: dict[str, str], field: str) -> None:
    answer = admin("GET", "/audit", query=query)
    assert (answer.status, list(answer.fields)) == (422, [field])


@pytest.mark.parametrize("other", [{"tenant": "other"}, {}], ids=["tenant", "filter"])
def test_cursor_of_another_list_is_refused(caller: Callable[..., Caller], other: dict[str, str]) -> None:
    admin = caller("admin")
    for _ in range(2):
        admin("DELETE", f"/tasks/{ID}")
    cursor = admin("GET", "/audit", query={"limit": "1"}).body["cursor"]
    query = {"cursor": cursor} | ({} if other else {"action": "task.cancel"})
    answer = caller("admin", **other)("GET", "/audit", query=query)
    assert answer.fields == {"cursor": "belongs to a list with another filter"}


@pytest.mark.parametrize(
    ("acting", "reading"), [("acme", "acme#0"), ("acme#0", "acme"), ("acme", "acm"), ("acme", "ACME"), ("a", "b")]
)
def test_record_of_another_tenant_is_never_listed(aws: Cloud, acting: str, reading: str) -> None:
    from functions.runtime import wiring

    store = AuditStore(table=wiring.table(handler.services().environment), retention_seconds=60)
    store.put(
        AuditRecord(
            at=START,
            request_id="r",
            tenant=acting,
            principal="ann",
            action="task.cancel",
            operation="cancelTask",
            status=204,
        )
    )
    assert store.page(reading, limit=10, read_limit=10).records == []
    assert len(store.page(acting, limit=10, read_limit=10).records) == 1


@pytest.mark.parametrize(
    ("role", "tenant", "named", "status"),
    [
        ("viewer", "acme", "", 403),
        ("submitter", "acme", "", 403),
        ("admin", "acme", "", 200),
        ("admin", "acme", "other", 403),
        ("operator", "support", "acme", 200),
        ("operator", None, "", 403),
    ],
)
def test_who_may_read_the_list(
    caller: Callable[..., Caller], role: str, tenant: str | None, named: str, status: int
) -> None:
    assert caller(role, tenant=tenant)("GET", "/audit", tenant=named).status == status
