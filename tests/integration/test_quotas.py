"""Quotas of tenants: who is refused and for how long, what it costs, and what many clients at once are admitted."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from taskyard import Taskyard

from functions.core.quotas import Allowed, SubmitQuota, Usage, Wait
from functions.store import keys
from functions.store.quotas import OUTDATED_LIMIT, QuotaStore
from functions.store.table import Table
from local.aws.capacity import item_bytes
from tests.integration.api import MESSAGE, Answer, Api
from tests.integration.cloud import SHARDS, TABLE, TENANT, Cloud
from tests.integration.conftest import START, Clock
from tests.integration.door import Door
from tests.integration.quick import Quick
from tests.integration.scene import ID
from tests.integration.schedules import EVERY_MINUTE, create, fire
from tests.integration.stream import Stream
from tests.integration.workflows import node

OTHER = "222233334444"
FIVE_A_SECOND = {"submitsPerSecond": 5, "burst": 10}
"""Windows of two seconds; one begins at START."""
UPDATE = "dynamodb.UpdateItem"


@pytest.fixture
def use_quotas(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Before anything is invoked."""

    def use(**document: Any) -> None:
        monkeypatch.setenv("QUOTAS", json.dumps(document))

    return use


def submit(api: Api, **fields: Any) -> Answer:
    return api("POST", "/tasks", MESSAGE | fields)


def submit_batch(api: Api, count: int) -> Answer:
    return api("POST", "/tasks/batch", {"tasks": [MESSAGE] * count})


def quota_item(aws: Cloud, tenant: str = TENANT) -> dict[str, Any]:
    found = aws.client("dynamodb").get_item(TableName=TABLE, Key=keys.quota_key(tenant))
    return dict(found.get("Item", {}))


# -- two tenants, one of which floods


def test_a_tenant_that_floods_is_refused_and_no_other(
    aws: Cloud, api: Api, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND)
    flooding, other = Counter[int](), Counter[int]()
    for _ in range(20):
        clock.advance(0.2)
        for _ in range(5):
            flooding[submit(api).status] += 1
        other[submit(Api(aws, account=OTHER)).status] += 1
    assert other == {201: 20}
    assert 10 <= flooding[201] <= 10 + 1 + 5 * 4
    assert flooding[429] == 100 - flooding[201]


def test_a_refusal_says_which_quota_and_when_to_come_back(
    api: Api, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert submit_batch(api, 10).status == 200
    refused = submit(api)
    assert refused.status == 429
    assert refused.headers["retry-after"] == "2"
    assert refused.body == {
        "type": "urn:taskyard:problem:quota-exceeded",
        "title": "The tenant's quota is used up for now",
        "status": 429,
        "detail": "the tenant's quota submitsPerSecond of 5 is used up; try again in 2 s",
        "quota": "submitsPerSecond",
        "limit": 5,
        "retryAfterSeconds": 2,
    }


def test_retry_after_is_right_to_the_millisecond_that_it_is_rounded_from(
    api: Api, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert submit_batch(api, 10).status == 200
    assert submit(api).headers["retry-after"] == "2"
    clock.advance(1.999)
    assert submit(api).status == 429
    clock.advance(0.001)
    assert submit(api).status == 201


def test_quotas_of_a_tenant_of_its_own(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND, tenants={OTHER: {}})
    assert submit_batch(Api(aws, account=OTHER), 50).status == 200
    assert quota_item(aws, OTHER) == {}
    assert submit_batch(api, 11).status == 403


# -- what counts


def test_a_batch_counts_its_valid_tasks(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert api("POST", "/tasks/batch", {"tasks": [*[MESSAGE] * 9, {"type": "NOPE"}]}).status == 200
    assert [submit(api).status for _ in range(2)] == [201, 429]


def test_a_batch_that_is_refused_stores_nothing(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert submit_batch(api, 6).status == 200
    aws.forget_calls()
    assert submit_batch(api, 6).status == 429
    assert aws.called() == [UPDATE]


def test_a_batch_above_the_burst_never_fits(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    refused = submit_batch(api, 11)
    assert (refused.status, refused.body["type"]) == (403, "urn:taskyard:problem:beyond-quota")
    assert (refused.body["quota"], refused.body["limit"], refused.body["requested"]) == ("burst", 10, 11)
    assert "retry-after" not in refused.headers
    assert aws.called() == []


def test_the_nodes_of_a_workflow_count_as_submits(yard: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    nodes = [node(f"n{at}") for at in range(6)]
    assert [yard("POST", "/workflows", {"nodes": nodes}).status for _ in range(2)] == [201, 429]
    assert yard("POST", "/workflows", {"nodes": [node(f"n{at}") for at in range(11)]}).status == 403


def test_a_repeated_submit_counts_and_is_answered_while_the_quota_lasts(
    api: Api, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND)
    answers = [submit(api, idempotencyKey="k") for _ in range(11)]
    assert [answer.status for answer in answers] == [201, *[200] * 9, 429]
    clock.advance(int(answers[-1].headers["retry-after"]))
    assert submit(api, idempotencyKey="k").status == 200


def test_an_invalid_submit_costs_no_call_and_no_quota(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert [submit(api, bogus=1).status for _ in range(20)] == [422] * 20
    assert aws.called() == []


def test_the_producer_is_under_the_same_quotas(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert submit_batch(api, 10).status == 200
    answer = aws.invoke("producer", {"submit": MESSAGE})
    assert (answer["status"], answer["problem"]["quota"]) == (429, "submitsPerSecond")
    assert answer["problem"]["retryAfterSeconds"] == 2


def test_firings_are_not_refused_and_runs_by_request_are(
    aws: Cloud, api: Api, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND | {"payloadBytes": 100})
    schedule = create(api, overlap="allow")
    clock.advance(60)
    assert submit_batch(api, 10).status == 200
    assert api("POST", f"/schedules/{schedule['id']}/run").status == 429
    assert fire(aws, START + 60_000)["outcome"] == "submitted"
    assert submit(api).status == 429


def test_client_waits_as_long_as_the_refusal_says_and_succeeds(
    aws: Cloud, use_quotas: Callable[..., None], clock: Clock
) -> None:
    use_quotas(default=FIVE_A_SECOND)
    door, pauses = Door(aws, clock), list[float]()

    def serve(request: httpx.Request) -> httpx.Response:
        answer = door(request.method, request.url.raw_path.decode(), request.content, dict(request.headers))
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    transport = httpx.MockTransport(serve)
    client = Taskyard("http://127.0.0.1:1", auth="none", transport=transport, sleep=sleep, draw=lambda: 0.0)
    submitted = [client.submit("DELAYED_MESSAGE", MESSAGE["payload"]).id for _ in range(12)]
    assert len(set(submitted)) == 12
    assert pauses == [2.0, 1.0]


# -- sizes


def test_a_payload_above_the_quota_never_fits(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default={"payloadBytes": len('{"message":"é"}'.encode())})
    assert submit(api, payload={"message": "é"}).status == 201
    schedule = api("POST", "/schedules", EVERY_MINUTE | {"task": MESSAGE | {"payload": {"message": "too long"}}})
    assert (schedule.status, schedule.body["quota"]) == (403, "payloadBytes")
    aws.forget_calls()
    refused = submit(api, payload={"message": "éé"})
    assert (refused.status, refused.body["quota"], refused.body["requested"]) == (403, "payloadBytes", 18)
    batch = api("POST", "/tasks/batch", {"tasks": [MESSAGE | {"payload": {"message": "too long"}}]})
    assert (batch.status, batch.body["results"][0]["status"]) == (200, 403)
    workflow = {"nodes": [node("a") | {"type": "DELAYED_MESSAGE", "payload": {"message": "too long"}}]}
    assert api("POST", "/workflows", workflow).status == 403
    assert aws.called() == []


def test_a_workflow_of_more_nodes_than_the_quota_never_fits(yard: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default={"workflowNodes": 2})
    assert yard("POST", "/workflows", {"nodes": [node("a"), node("b")]}).status == 201
    refused = yard("POST", "/workflows", {"nodes": [node("a"), node("b"), node("c")]})
    assert (refused.status, refused.body["quota"], refused.body["limit"]) == (403, "workflowNodes", 2)


def test_schedules_are_counted_at_create_and_a_deleted_one_makes_room(
    aws: Cloud, api: Api, use_quotas: Callable[..., None]
) -> None:
    use_quotas(default={"schedules": 2})
    first, *_ = create(api), create(Api(aws, account=OTHER)), create(api)
    aws.forget_calls()
    refused = api("POST", "/schedules", EVERY_MINUTE)
    assert (refused.status, refused.body["quota"]) == (403, "schedules")
    audit_record = "dynamodb.PutItem"
    assert aws.called() == [*["dynamodb.Query"] * SHARDS, audit_record]
    assert api("PATCH", f"/schedules/{first['id']}", {"paused": True}).status == 200
    assert api("DELETE", f"/schedules/{first['id']}").status == 204
    create(api)


# -- open tasks


def test_open_tasks_are_refused_from_when_the_observer_has_counted_them(
    aws: Cloud, api: Api, use_quotas: Callable[..., None]
) -> None:
    use_quotas(default=FIVE_A_SECOND | {"openTasks": 3}, tenants={OTHER: {}})
    stream = Stream()

    def observe(*states: str, tenant: str = TENANT) -> None:
        for task, state in enumerate(states):
            aws.invoke("observer", stream.batch(*stream.life(f"t{task}-{stream._at}", *state.split(), tenant=tenant)))
            journal = [item for item in aws.items() if item["pk"]["S"] == "JOURNAL"]
            aws.invoke("observer", stream.batch(*(stream.record(None, item) for item in journal)))

    observe("READY", "PENDING", "READY RUNNING", "SUCCESS", "DEAD", "BLOCKED CANCELLED")
    observe("READY", tenant=OTHER)
    assert quota_item(aws)["openTasks"] == {"N": "3"}
    assert quota_item(aws, OTHER) == {}
    aws.forget_calls()
    refused = submit(api)
    assert (refused.status, refused.body["quota"], refused.body["limit"]) == (429, "openTasks", 3)
    assert refused.headers["retry-after"] == "10"
    assert aws.called() == [UPDATE]
    QuotaStore(Table(aws.client("dynamodb"), TABLE)).set_open_tasks(TENANT, 2)
    assert submit(api).status == 201


def test_a_copy_of_open_tasks_that_failed_is_made_when_the_batch_comes_again(
    aws: Cloud, use_quotas: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_quotas(default=FIVE_A_SECOND | {"openTasks": 3})
    stream = Stream()
    aws.invoke("observer", stream.batch(*stream.life("t", "READY")))
    (entry,) = [item for item in aws.items() if item["pk"]["S"] == "JOURNAL"]
    batch = stream.batch(stream.record(None, entry))
    with monkeypatch.context() as patched:
        patched.delattr(QuotaStore, "set_open_tasks")
        assert len(aws.invoke("observer", batch)["batchItemFailures"]) == 1
    assert aws.invoke("observer", batch)["batchItemFailures"] == []
    assert quota_item(aws)["openTasks"] == {"N": "1"}


# -- what it costs


SUBMIT_CALLS = ["sqs.SendMessage", "dynamodb.PutItem"]


def test_without_quotas_a_submit_makes_no_other_call_and_imports_no_module_of_quotas(
    aws: Cloud, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("functions.core.quotas", "functions.store.quotas", "functions.intake.admission"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert submit(api).status == 201
    assert aws.called() == SUBMIT_CALLS
    assert not [name for name in sys.modules if name.endswith(("quotas", "admission")) and "functions." in name]


@pytest.mark.parametrize(
    ("quotas", "added"),
    [
        ({"default": FIVE_A_SECOND}, [UPDATE]),
        ({"default": FIVE_A_SECOND | {"openTasks": 100}}, [UPDATE]),
        ({"default": {"payloadBytes": 1000, "schedules": 5, "workflowNodes": 5}}, []),
        ({"default": FIVE_A_SECOND, "tenants": {TENANT: {}}}, []),
    ],
)
def test_with_quotas_a_submit_makes_one_call_more_at_most(
    aws: Cloud, api: Api, use_quotas: Callable[..., None], quotas: Any, added: list[str]
) -> None:
    use_quotas(**quotas)
    for _ in range(3):
        aws.forget_calls()
        assert submit(api).status == 201
        assert aws.called() == [*added, *SUBMIT_CALLS]


def test_with_quotas_a_refused_submit_is_one_call(aws: Cloud, api: Api, use_quotas: Callable[..., None]) -> None:
    use_quotas(default=FIVE_A_SECOND)
    assert submit_batch(api, 10).status == 200
    aws.forget_calls()
    assert submit(api, dependencies=[ID]).status == 429
    assert aws.called() == [UPDATE]


@pytest.mark.parametrize(("quotas", "units"), [(None, 1), (FIVE_A_SECOND | {"openTasks": 1000}, 2)])
def test_write_units_of_a_submit(
    yard: Api, quick: Quick, use_quotas: Callable[..., None], clock: Clock, quotas: Any, units: int
) -> None:
    """Without the listing index, which is a unit more."""
    if quotas:
        use_quotas(default=quotas)
    for _ in range(100):
        before = quick.counted["units"]
        yard.submit()
        assert quick.counted["units"] - before == units
        clock.advance(0.21)


def test_write_units_of_a_batch_are_one_more(yard: Api, quick: Quick, use_quotas: Callable[..., None]) -> None:
    use_quotas(default={"submitsPerSecond": 100, "burst": 200})
    assert submit_batch(yard, 200).status == 200
    assert quick.counted["units"] == 201
    assert quick.counted["dynamodb.update_item"] == 1


# -- the store


def store_of(quick: Quick) -> QuotaStore:
    return QuotaStore(Table(quick.service("dynamodb"), TABLE))


@pytest.mark.parametrize("seed", range(6))
def test_the_condition_of_the_write_decides_as_the_rules_do(quick: Quick, seed: int) -> None:
    draw = random.Random(seed)
    quota = SubmitQuota(
        rate=draw.choice([0.5, 3, 50]), burst=draw.choice([1, 7, 40, 100]), open_tasks=draw.choice([None, 100])
    )
    store, windows, now = store_of(quick), Counter[int](), START + draw.randrange(5000)
    for _ in range(60):
        now += draw.choice([0, 1, draw.randrange(1, int(2000 / quota.rate))])
        submits, window = draw.randrange(1, quota.burst + 1), quota.window(now)
        expected = quota.decide(Usage(current=windows[window], previous=windows[window - 1]), submits, now)
        assert store.add_submits("t", quota, submits, now=now) == expected
        if isinstance(expected, Allowed):
            windows[window] += submits


@pytest.mark.parametrize("seed", range(3))
def test_many_clients_at_once_are_admitted_burst_and_one_and_rate_times_time_at_most(quick: Quick, seed: int) -> None:
    draw = random.Random(seed)
    quota = SubmitQuota(rate=20, burst=30)
    store, now = store_of(quick), START + draw.randrange(1500)
    admitted: list[tuple[int, int]] = []
    requests = 0
    with ThreadPoolExecutor(8) as clients:
        for _ in range(25):
            now += draw.choice([0, 10, 100, 700])
            sizes = [draw.choice([1, 1, 1, 5]) for _ in range(8)]
            requests += len(sizes)
            decisions = clients.map(lambda size, at=now: store.add_submits("t", quota, size, now=at), sizes)  # type: ignore[misc]
            for size, decision in zip(sizes, decisions, strict=True):
                assert isinstance(decision, Allowed | Wait)
                if isinstance(decision, Allowed):
                    admitted.append((now, size))
    assert quick.counted["dynamodb.update_item"] == requests
    for first, (since, _) in enumerate(admitted):
        for last in range(first, len(admitted)):
            until = admitted[last][0]
            total = sum(size for _, size in admitted[first : last + 1])
            assert total <= quota.burst + 1 + quota.rate * (until - since) / 1000


def test_the_item_stays_below_a_kilobyte_after_long_pauses(quick: Quick) -> None:
    quota = SubmitQuota(rate=5, burst=10, open_tasks=1000)
    store, sizes = store_of(quick), []
    for pause in range(100):
        assert isinstance(store.add_submits("t", quota, 1, now=START + pause * 3_600_000), Allowed)
        sizes.append(item_bytes(quick.table.call("get_item", {"TableName": TABLE, "Key": keys.quota_key("t")})["Item"]))
    assert max(sizes) < 1024
    assert quick.counted["dynamodb.update_item"] <= 100 * (1 + 1 / OUTDATED_LIMIT)
