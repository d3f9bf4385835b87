"""What one tenant has is to another as if it were not there: the same answer and the same calls of AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.core.notifications.events import Delivery, Notification
from functions.core.task import TASK_ID_PATTERN, id_for_key
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.store.notifications import NotificationStore
from tests.integration.api import MESSAGE, Answer, Api, token_identity
from tests.integration.cloud import BUCKET, Cloud
from tests.integration.conftest import Clock
from tests.integration.test_api_monitor import counted

OURS, THEIRS = "acme", "globex"
WEBHOOK: dict[str, Any] = {"type": "WEBHOOK_CALL", "payload": {"url": "https://hook.test/"}}
FAILING = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}, "maxRetries": 0}
LARGE = WEBHOOK | {"payload": WEBHOOK["payload"] | {"body": "x" * 300_000}}
SCHEDULE = {"rate": "1 minute", "task": MESSAGE}
WORKFLOW = {"nodes": {"a": MESSAGE}}
UNKNOWN = id_for_key(OURS, "none")
KEY, FRESH_KEY = "their-key", "fresh-key"


@pytest.fixture
def us(aws: Cloud, clock: Clock) -> Api:
    """With every role but operator."""
    return Api(aws, identity=token_identity("admin", tenant=OURS))


@pytest.fixture
def them(aws: Cloud, clock: Clock) -> Api:
    machine = {"definition": json.dumps({"StartAt": "a", "States": {"a": {"Type": "Succeed"}}})}
    for variable in ("RUN_MACHINE_ARN", "NOTIFY_MACHINE_ARN"):
        name = aws.env[variable].rpartition(":")[2]
        aws.client("stepfunctions").create_state_machine(
            name=name, roleArn="arn:aws:iam::123456789012:role/r", **machine
        )
    return Api(aws, identity=token_identity("admin", tenant=THEIRS))


def create(api: Api, path: str, body: Any, **headers: str) -> str:
    answer = api("POST", path, body, headers=headers)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


def ready_task(them: Api) -> str:
    return create(them, "/tasks", MESSAGE)


def large_task(them: Api) -> str:
    """Its payload is in S3."""
    return create(them, "/tasks", LARGE)


def dead_task(them: Api) -> str:
    task_id = create(them, "/tasks", FAILING)
    them.aws.work_off()
    return task_id


def workflow(them: Api) -> str:
    return create(them, "/workflows", WORKFLOW)


def schedule(them: Api) -> str:
    return create(them, "/schedules", SCHEDULE)


def keys(them: Api) -> str:
    """Uses the same key for one request of each kind that takes one."""
    header = {"Idempotency-Key": KEY}
    create(them, "/tasks", MESSAGE, **header)
    create(them, "/workflows", WORKFLOW, **header)
    create(them, "/schedules", SCHEDULE, **header)
    for path, body in (("/tasks/cancel", {"type": "DELAYED_MESSAGE"}), ("/dead-letters/redrive", {})):
        assert them("POST", path, body, headers=header).status == 200
    return KEY


Request = Callable[[Api, str], Answer]
"""Of our API and an id or key: theirs, or one that nobody has."""


def requests(*pairs: tuple[str, str, Any]) -> list[Request]:
    """`{id}` of the paths and "{id}" of the bodies."""

    def request(method: str, path: str, body: Any) -> Request:
        return lambda api, value: api(
            method, path.replace("{id}", value), None if body is None else json.dumps(body).replace("{id}", value)
        )

    return [request(*pair) for pair in pairs]


def keyed(*pairs: tuple[str, Any]) -> list[Request]:
    def request(path: str, body: Any) -> Request:
        return lambda api, value: api("POST", path, body, headers={"Idempotency-Key": value})

    return [request(*pair) for pair in pairs]


CASES: list[Any] = [
    pytest.param(
        ready_task,
        UNKNOWN,
        requests(
            ("GET", "/tasks/{id}", None),
            ("PATCH", "/tasks/{id}", {"priority": 9}),
            ("DELETE", "/tasks/{id}", None),
            ("POST", "/tasks/cancel", {"ids": ["{id}"]}),
        ),
        id="task",
    ),
    pytest.param(
        large_task,
        UNKNOWN,
        requests(("GET", "/tasks/{id}", None), ("PATCH", "/tasks/{id}", {"payload": LARGE["payload"]})),
        id="document",
    ),
    pytest.param(
        ready_task,
        UNKNOWN,
        requests(
            ("POST", "/tasks", MESSAGE | {"dependencies": ["{id}"]}),
            ("POST", "/tasks/batch", {"tasks": [MESSAGE | {"dependencies": ["{id}"]}]}),
        ),
        id="dependency",
    ),
    pytest.param(dead_task, UNKNOWN, requests(("POST", "/tasks/{id}/retry", {})), id="dead-letter"),
    pytest.param(
        workflow,
        UNKNOWN,
        requests(
            ("GET", "/workflows/{id}", None),
            ("GET", "/workflows/{id}/graph", None),
            ("DELETE", "/workflows/{id}", None),
            ("POST", "/workflows/{id}/retry", None),
            ("GET", "/tasks/{id}-0", None),
        ),
        id="workflow",
    ),
    pytest.param(
        schedule,
        UNKNOWN,
        requests(
            ("GET", "/schedules/{id}", None),
            ("PATCH", "/schedules/{id}", {"paused": True}),
            ("DELETE", "/schedules/{id}", None),
            ("POST", "/schedules/{id}/run", None),
        ),
        id="schedule",
    ),
    pytest.param(
        keys,
        FRESH_KEY,
        keyed(
            ("/tasks", MESSAGE),
            ("/workflows", WORKFLOW),
            ("/schedules", SCHEDULE),
            ("/tasks/cancel", {"type": "WEBHOOK_CALL"}),
            ("/dead-letters/redrive", {"dryRun": True}),
        ),
        id="idempotency-key",
    ),
]


@pytest.mark.parametrize(("make", "unknown", "asked"), CASES)
def test_what_another_tenant_has_is_answered_as_unknown(
    us: Api, them: Api, aws: Cloud, make: Callable[[Api], str], unknown: str, asked: list[Request]
) -> None:
    value = make(them)
    before = records_of(aws, THEIRS)
    for at, request in enumerate(asked):
        found, missing = observed(us, request, value), observed(us, request, unknown)
        assert found == missing, at
        assert THEIRS not in json.dumps(found), at
    assert records_of(aws, THEIRS) == before


def observed(api: Api, request: Request, value: str) -> Any:
    """Status, body and calls, without the value and without ids, which differ."""
    api.aws.forget_calls()
    answer = request(api, value)
    body = re.sub(TASK_ID_PATTERN, "ID", json.dumps(answer.body).replace(value, "ID"))
    return answer.status, body, api.aws.called()


def records_of(aws: Cloud, tenant: str) -> list[Any]:
    return sorted((item for item in aws.items() if f"#{tenant}#" in item["pk"]["S"]), key=repr)


def test_lists_hold_nothing_of_another_tenant(us: Api, them: Api, aws: Cloud, clock: Clock) -> None:
    fill(them, clock)
    for path, query in LISTS:
        seen = us("GET", path, query=query)
        assert (seen.status, list(entries(seen))) == (200, []), path
        assert len(list(entries(them("GET", path, query=query)))) > 1, path


def test_cursor_of_another_tenant_leads_to_nothing_of_it(us: Api, them: Api, aws: Cloud, clock: Clock) -> None:
    fill(them, clock)
    for path, query in LISTS:
        cursor = them("GET", path, query=query | {"limit": "1"}).body["cursor"]
        assert cursor, path
        aws.forget_calls()
        seen = us("GET", path, query=query | {"cursor": cursor})
        assert seen.status == 422 or list(entries(seen)) == [], path
        assert f"#{THEIRS}#" not in repr(aws.calls), path
    letters = them("POST", "/dead-letters/redrive", {"limit": 1, "dryRun": True}).body["cursor"]
    tasks = them("POST", "/tasks/cancel", {"state": "READY", "dryRun": True}).body["cursor"]
    assert us("POST", "/dead-letters/redrive", {"cursor": letters}).status == 422
    assert tasks is None or us("POST", "/tasks/cancel", {"state": "READY", "cursor": tasks}).status == 422


def test_stats_count_nothing_of_another_tenant(us: Api, them: Api, aws: Cloud, clock: Clock) -> None:
    """Depths of lanes are of all tenants."""

    def counts(api: Api) -> dict[str, Any]:
        return {name: value for name, value in api("GET", "/monitor/stats").body.items() if name != "lanes"}

    before = counts(us)
    ready_task(them)
    counted(aws, THEIRS, DELAYED_MESSAGE__READY=3)
    clock.advance(60)
    assert counts(us) == before
    assert counts(them)["states"]["READY"] == 3


def test_documents_of_tenants_are_apart(us: Api, them: Api, aws: Cloud) -> None:
    """Also under the same idempotency key."""
    header = {"Idempotency-Key": KEY}
    ids = {OURS: create(us, "/tasks", LARGE, **header), THEIRS: create(them, "/tasks", LARGE, **header)}
    stored = aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert sorted(each["Key"].rpartition("/")[0] for each in stored) == sorted(
        f"{tenant}/{task_id}" for tenant, task_id in ids.items()
    )
    assert ids[OURS] != ids[THEIRS]


LISTS: list[tuple[str, dict[str, str]]] = [
    ("/tasks", {}),
    ("/dead-letters", {}),
    ("/workflows", {}),
    ("/schedules", {}),
    ("/notifications", {"state": "UNDELIVERABLE"}),
    ("/audit", {}),
]


def entries(answer: Answer) -> Iterator[Any]:
    return (entry for value in answer.body.values() if isinstance(value, list) for entry in value)


def fill(api: Api, clock: Clock) -> None:
    """Two of everything that is listed."""
    environment = ApiEnvironment(api.aws.env)
    store = NotificationStore(table=wiring.table(environment), shards=environment.listing_shards)
    for at in range(2):
        letter = create(api, "/tasks", FAILING)
        assert api("DELETE", f"/tasks/{ready_task(api)}").status == 204
        ready_task(api)
        workflow(api)
        schedule(api)
        note = Notification(
            tenant=THEIRS,
            owner="task",
            id=letter,
            event="1-1770000000000",
            target=0,
            to={"email": "night@example.com"},
            body={},
        )
        store.record_attempt_end(note, Delivery.UNDELIVERABLE, now=clock.now + at, error="gone")
    api.aws.work_off()
