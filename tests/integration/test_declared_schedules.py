"""Schedules that a deployment declares: what CloudFormation sends for them, and what the API may still do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from functions.schedule_provider.declaration import DeclarationEvent, Declarations
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import ACCOUNT, Cloud, event
from tests.integration.conftest import START, Clock
from tests.integration.receiver import Receiver, Reply, receiver
from tests.integration.schedules import fire, in_scheduler, look

MINUTE = 60_000
NIGHTLY = {"rate": "1 minute", "task": MESSAGE}
WORKFLOW = {"nodes": {"only": MESSAGE}}


@dataclass
class Deployment:
    """CloudFormation, as far as one custom resource sees it."""

    aws: Cloud
    url: str

    def __call__(
        self, kind: str, definition: Any = NIGHTLY, *, logical_id: str = "Nightly", **fields: Any
    ) -> dict[str, Any]:
        """`tenant`, `before` (the definition), `physical_id`, `remaining_ms`."""
        sample: dict[str, Any] = event("schedule_provider", "create")
        properties = {"Name": "nightly", "Tenant": fields.get("tenant", ACCOUNT), "Definition": json.dumps(definition)}
        sample |= {
            "RequestType": kind,
            "ResponseURL": self.url,
            "LogicalResourceId": logical_id,
            "ResourceProperties": properties,
        }
        if "before" in fields:
            sample["OldResourceProperties"] = properties | {
                "Definition": json.dumps(fields["before"]),
                "Tenant": fields.get("tenant_before", properties["Tenant"]),
            }
        if "physical_id" in fields:
            sample["PhysicalResourceId"] = fields["physical_id"]
        answer: dict[str, Any] = self.aws.invoke(
            "schedule_provider", sample, remaining_ms=fields.get("remaining_ms", 30_000)
        )
        return answer


@pytest.fixture
def bucket() -> Iterator[Receiver]:
    """Takes the answers."""
    with receiver() as here:
        yield here


@pytest.fixture
def deploy(aws: Cloud, bucket: Receiver) -> Deployment:
    return Deployment(aws, f"{bucket.url}/answer?X-Amz-Signature=s")


def schedules(api: Api) -> list[Any]:
    return list(api("GET", "/schedules").body["schedules"])


def test_create_makes_a_schedule_that_says_where_it_is_declared(
    api: Api, deploy: Deployment, bucket: Receiver, aws: Cloud, clock: Clock
) -> None:
    answer = deploy("Create")
    (made,) = schedules(api)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", f"{ACCOUNT}/{made['id']}")
    assert (made["managedBy"], made["declaredAs"], made["rate"]) == ("deployment", "Taskyard-prod/nightly", "1 minute")
    (sent,) = bucket.got
    assert (sent.method, json.loads(sent.body)) == ("PUT", answer)
    assert sent.headers.get("content-type", "") == ""
    assert answer.keys() >= {"StackId", "RequestId", "LogicalResourceId"}
    clock.advance(62)
    assert fire(aws, START + MINUTE)["outcome"] == "submitted"


def test_repeated_create_and_update_are_the_same_schedule(api: Api, deploy: Deployment) -> None:
    answers = [deploy("Create"), deploy("Create"), deploy("Update", before=NIGHTLY)]
    assert len({answer["PhysicalResourceId"] for answer in answers}) == len(schedules(api)) == 1


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("other times", {"cron": "0 2 * * *", "task": MESSAGE}, {"cron": "0 2 * * *", "rate": None}),
    ("workflow", {"rate": "1 minute", "workflow": WORKFLOW}, {"task": None, "workflow": WORKFLOW}),
    ("fields added", NIGHTLY | {"name": "n", "overlap": "skip"}, {"name": "n", "overlap": "skip"}),
    ("fields left out", NIGHTLY, {"name": None, "overlap": "allow", "timezone": "UTC", "catchUp": "none"}),
]


@pytest.mark.parametrize(("definition", "wanted"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_update_makes_the_schedule_what_is_declared(
    api: Api, deploy: Deployment, definition: Any, wanted: dict[str, Any]
) -> None:
    full = NIGHTLY | {"name": "before", "overlap": "skip", "timezone": "Europe/Berlin", "catchUp": "last"}
    deploy("Create", full)
    assert deploy("Update", definition, before=full)["Status"] == "SUCCESS"
    (changed,) = schedules(api)
    assert {name: changed[name] for name in wanted} == wanted


def test_rollback_puts_the_schedule_back(api: Api, deploy: Deployment) -> None:
    deploy("Create")
    deploy("Update", NIGHTLY | {"name": "new"}, before=NIGHTLY)
    deploy("Update", NIGHTLY, before=NIGHTLY | {"name": "new"})
    assert [each["name"] for each in schedules(api)] == [None]


def test_another_tenant_is_another_schedule_and_the_former_is_deleted_after_it(api: Api, deploy: Deployment) -> None:
    before = deploy("Create")["PhysicalResourceId"]
    after = deploy("Update", before=NIGHTLY, tenant="other", tenant_before=ACCOUNT)["PhysicalResourceId"]
    assert after != before
    assert deploy("Delete", physical_id=before)["Status"] == "SUCCESS"
    assert schedules(api) == []
    assert len(in_scheduler(deploy.aws)) == 1


def test_another_logical_id_is_another_schedule(api: Api, deploy: Deployment) -> None:
    former = deploy("Create")["PhysicalResourceId"]
    deploy("Create", logical_id="Renamed")
    deploy("Delete", physical_id=former)
    assert len(schedules(api)) == 1


@pytest.mark.parametrize("physical_id", [None, "Taskyard-prod-Nightly-1ABC"], ids=["answered", "never answered"])
def test_delete_removes_it_and_again_is_no_error(api: Api, deploy: Deployment, physical_id: str | None) -> None:
    made = deploy("Create")["PhysicalResourceId"]
    for _ in "twice":
        answer = deploy("Delete", physical_id=physical_id or made)
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", physical_id or made)
    assert schedules(api) == in_scheduler(deploy.aws) == []


INVALID: list[tuple[Any, str]] = [
    ({"cron": "61 * * * *", "task": MESSAGE}, "cron: minute: 61 is not from 0 to 59"),
    ({"rate": "1 minute"}, "task: is required, or workflow"),
    ({"rate": "1 minute", "task": {"type": "NONE"}}, "task.type"),
    ({"rate": "1 minute", "task": MESSAGE, "idempotencyKey": "k"}, "idempotencyKey: cannot be given"),
    ({"rate": "1 minute", "timezone": "Europe/Nowhere", "task": MESSAGE}, "timezone"),
    ([], "TypeError"),
]


@pytest.mark.parametrize(("definition", "reason"), INVALID)
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_invalid_declaration_fails_with_the_field_and_its_delete_succeeds(
    api: Api, deploy: Deployment, kind: str, definition: Any, reason: str
) -> None:
    before = {}
    if kind == "Update":
        deploy("Create")
        before = {"before": NIGHTLY}
    answer = deploy(kind, definition, **before)
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert len(schedules(api)) == (kind == "Update")
    assert deploy("Delete", physical_id=answer["PhysicalResourceId"])["Status"] == "SUCCESS"


def test_pause_by_the_api_stays_over_deployments_that_declare_no_other(api: Api, deploy: Deployment) -> None:
    deploy("Create")
    (made,) = schedules(api)
    assert api("PATCH", f"/schedules/{made['id']}", {"paused": True}).status == 200
    deploy("Update", NIGHTLY | {"name": "n"}, before=NIGHTLY)
    assert look(api, made)["paused"] is True
    deploy("Update", NIGHTLY | {"paused": True}, before=NIGHTLY)
    deploy("Update", NIGHTLY, before=NIGHTLY | {"paused": True})
    assert look(api, made)["paused"] is False


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"rate": "2 minutes"}), ("PATCH", {"paused": True, "name": "n"}), ("DELETE", None)]
)
def test_change_and_delete_by_the_api_are_refused(api: Api, deploy: Deployment, method: str, body: Any) -> None:
    deploy("Create")
    (made,) = schedules(api)
    answer = api(method, f"/schedules/{made['id']}", body)
    assert (answer.status, answer.body["type"]) == (409, "urn:taskyard:problem:declared-by-deployment")
    assert (answer.body["scheduleId"], answer.body["declaredAs"]) == (made["id"], "Taskyard-prod/nightly")
    assert look(api, made) == made
    assert len(in_scheduler(deploy.aws)) == 1


def test_run_by_the_api_is_allowed(api: Api, deploy: Deployment) -> None:
    deploy("Create")
    (made,) = schedules(api)
    assert api("POST", f"/schedules/{made['id']}/run").status == 201


def test_answer_that_is_not_taken_raises_and_a_repetition_answers(
    api: Api, deploy: Deployment, bucket: Receiver
) -> None:
    bucket.replies[:] = [Reply(500), Reply(200)]
    with pytest.raises(RuntimeError, match="did not take the answer: 500"):
        deploy("Create")
    assert deploy("Create")["Status"] == "SUCCESS"
    assert len(schedules(api)) == 1


class FailingSchedules:
    """Stands for use cases that AWS throttles: moto does not."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0

    def declare(self, *arguments: Any, **named: Any) -> None:
        from functions.core.errors import StoreUnavailable

        self.tries += 1
        if self.tries <= self.failures:
            raise StoreUnavailable("DynamoDB", "ThrottlingException")


@pytest.mark.parametrize(("failures", "status", "tries"), [(2, "SUCCESS", 3), (99, "FAILED", 6)])
def test_throttled_declaration_is_tried_until_time_is_left_for_the_answer_only(
    failures: int, status: str, tries: int
) -> None:
    failing = FailingSchedules(failures)
    left = [30.0]

    def sleep(seconds: float) -> None:
        left[0] -= seconds

    declarations = Declarations(schedules=failing, sleep=sleep)  # type: ignore[arg-type]
    answer = declarations.answer(event("schedule_provider", "create"), remaining_seconds=lambda: left[0])
    assert (answer["Status"], failing.tries) == (status, tries)


def test_event_names_stack_tenant_and_schedule() -> None:
    parsed = DeclarationEvent.parse(event("schedule_provider", "create"))
    assert (parsed.tenant, parsed.declared_as, parsed.before) == (ACCOUNT, "Taskyard-prod/nightly", {})
