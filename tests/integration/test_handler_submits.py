"""`ctx.submit` and `ctx.secret`: what handlers submit and read, through the worker."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from pydantic import BaseModel
from taskyard.tasks import NotSubmitted, Submit, task

from functions.core.pools import Pool
from functions.core.states import State
from functions.core.task import id_for_key
from tests.integration.api import Api
from tests.integration.cloud import LANES, TENANT, create_lane, forget_processes, lanes_variable
from tests.integration.scene import ID, POLICY, Scene


class Page(BaseModel):
    page: int


def child_id(name: str, parent: str = ID) -> str:
    return id_for_key(TENANT, f"task:{parent}:{name}")


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """With the type RENDER, of which the tests submit tasks."""

    @task("RENDER")
    def render(ctx: Any, payload: Page) -> None:
        scene.ran.append(payload.page)

    scene.add(render)
    return scene


def run(scene: Scene, handler: Any, **fields: Any) -> None:
    """One attempt of a task of the type PARENT."""
    scene.handle("PARENT", handler)
    scene.put(type="PARENT", **fields)
    assert scene.deliver(scene.message(type="PARENT")) == []


def test_child_is_submitted_for_the_tenant_of_its_parent(scene: Scene) -> None:
    run(scene, lambda ctx, payload: {"child": ctx.submit("page", "RENDER", {"page": 1}, priority="high")})
    child = scene.task(child_id("page"))
    assert (child.tenant, child.type, child.state, child.priority) == (TENANT, "RENDER", State.READY, 8)
    assert json.loads(scene.task().result.inline) == {"child": child.id}  # type: ignore[union-attr, arg-type]
    sent = next(each for each in scene.aws.wakeups() if each["task"] == child.id)
    assert (sent["lane"], sent["type"], sent["generation"]) == ("high", "RENDER", 1)


def test_submit_costs_two_calls(scene: Scene) -> None:
    run(scene, lambda ctx, payload: ctx.submit("page", "RENDER", {"page": 1}) and None)
    assert scene.aws.called() == ["dynamodb.UpdateItem", "sqs.SendMessage", "dynamodb.PutItem", "dynamodb.UpdateItem"]


def test_child_runs(scene: Scene) -> None:
    run(scene, lambda ctx, payload: ctx.submit("page", "RENDER", {"page": 7}))
    scene.deliver_sent()
    assert scene.ran == [7]


def test_coroutine_submits(scene: Scene) -> None:
    async def handler(ctx: Any, payload: Any) -> Any:
        await ctx.submit_async("page", "RENDER", {"page": 1})
        return await ctx.submit_many_async([Submit.of(f"page-{at}", "RENDER", {"page": at}) for at in range(3)])

    run(scene, handler)
    assert json.loads(scene.task().result.inline) == [child_id(f"page-{at}") for at in range(3)]  # type: ignore[union-attr, arg-type]
    assert scene.task(child_id("page")).state is State.READY


def test_second_attempt_gets_the_same_child(scene: Scene) -> None:
    """Also when it asks for something else."""
    got = []

    def handler(ctx: Any, payload: Any) -> None:
        got.append(ctx.submit("page", "RENDER", {"page": ctx.attempt}))
        if ctx.attempt == 1:
            raise RuntimeError("after the submit")

    run(scene, handler)
    scene.clock.advance(20)
    scene.deliver(scene.message(type="PARENT", generation=2))
    assert got == [child_id("page")] * 2
    assert scene.task().state is State.SUCCESS
    assert json.loads(scene.task(got[0]).payload.inline or "") == {"page": 1}


def test_other_names_and_other_parents_are_other_children(scene: Scene) -> None:
    ids = set()
    scene.handle("PARENT", lambda ctx, payload: ids.update(ctx.submit(name, "RENDER", {"page": 1}) for name in "ab"))
    for parent in (ID, ID[:-1] + "b"):
        scene.put(parent, type="PARENT")
        scene.deliver(scene.message(parent, type="PARENT"))
    assert len(ids) == 4


def test_many_are_sent_in_tens(scene: Scene) -> None:
    submits = [Submit.of(f"{at}", "RENDER", {"page": at}) for at in range(25)]
    run(scene, lambda ctx, payload: scene.ran.extend(ctx.submit_many(submits)))
    assert scene.ran == [child_id(f"{at}") for at in range(25)]
    assert scene.aws.called().count("sqs.SendMessageBatch") == 3
    assert all(scene.task(child_id(f"{at}")).generation == 1 for at in range(25))


def test_none_of_many_is_submitted_when_one_is_refused(scene: Scene) -> None:
    submits = [Submit.of("good", "RENDER", {"page": 1}), Submit.of("bad", "RENDER", {"page": "x"})]
    run(scene, lambda ctx, payload: ctx.submit_many(submits))
    failed = scene.task()
    assert (failed.state, failed.history[0].error_type) == (State.FAILED, "NotSubmitted")
    assert str(failed.history[0].error).startswith("submit 'bad' is refused: payload.page: ")
    assert scene.store.get(TENANT, child_id("good")) is None
    assert scene.aws.wakeups() == []


@pytest.mark.parametrize(
    ("name", "arguments", "options", "problem"),
    [
        ("gone", ("GONE",), {}, "no handler for task type"),
        ("late", ("RENDER", {"page": 1}), {"delay_seconds": -1}, "delaySeconds: "),
        ("long", ("RENDER", {"page": 1}), {"timeout_seconds": 51}, "timeoutSeconds: must be at most 50"),
        (
            "what",
            ("RENDER", {"page": 1}),
            {"dependencies": ["01kgdz6m00aaaaaaaaaaaaaaab"]},
            "dependencies: there is no",
        ),
        ("set", ("RENDER", {1, object()}), {}, "payload: "),
    ],
)
def test_refused_submit_says_why(
    scene: Scene, name: str, arguments: tuple[Any, ...], options: dict[str, Any], problem: str
) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        with pytest.raises(NotSubmitted) as refused:
            ctx.submit(name, *arguments, **options)
        scene.ran.append(refused.value.problem)

    run(scene, handler)
    assert scene.ran[0].startswith(problem), scene.task().history


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda ctx: ctx.submit("", "RENDER"), "the name of an effect is a text"),
        (lambda ctx: ctx.submit("a", "RENDER", unknown=1), "has no option 'unknown'"),
        (lambda ctx: ctx.submit_many([Submit.of("a", "RENDER")] * 2), "two submits have the name 'a'"),
        (lambda ctx: ctx.submit_many([Submit.of("a", "RENDER")] * 1001), "1001 submits in one call"),
        (lambda ctx: ctx.secret("a/b"), "a secret's name has"),
    ],
)
def test_wrong_use_is_an_error_of_the_handler(scene: Scene, call: Any, error: str) -> None:
    run(scene, lambda ctx, payload: call(ctx))
    assert error in str(scene.task().history[0].error)


def test_no_submit_at_all_is_no_call(scene: Scene) -> None:
    run(scene, lambda ctx, payload: ctx.submit_many([]))
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.UpdateItem"]


def test_child_with_dependencies_and_notifications(scene: Scene) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        first = ctx.submit("first", "RENDER", {"page": 1}, tags={"run": "a"}, max_retries=1)
        ctx.submit("second", "RENDER", {"page": 2}, dependencies=[first])

    run(scene, handler)
    assert scene.task(child_id("first")).has_dependents
    assert scene.task(child_id("second")).state is State.BLOCKED


def test_view_of_child_names_its_parent(scene: Scene) -> None:
    run(scene, lambda ctx, payload: ctx.submit("page", "RENDER", {"page": 1}))
    api = Api(scene.aws)
    assert api.get(child_id("page"))["submittedBy"] == {"task": ID}
    assert api.get(ID)["submittedBy"] is None
    listed = {each["id"]: each["submittedBy"] for each in api("GET", "/tasks").body["tasks"]}
    assert listed[child_id("page")] == {"task": ID}


def test_caller_cannot_use_the_key_of_a_child(scene: Scene) -> None:
    body = {"type": "RENDER", "payload": {"page": 1}, "idempotencyKey": f"task:{ID}:page"}
    answer = Api(scene.aws)("POST", "/tasks", body)
    assert answer.status == 422
    assert answer.fields == {"idempotencyKey": "must not begin with task:, as the keys of what handlers submit do"}


def test_handler_of_a_pool_submits_to_another(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Pool("images", ("images",), 600, False)
    create_lane(scene.aws, "images")
    scene.aws.env["LANES"] = lanes_variable((*LANES, "images"))
    for name, value in (("LANES", scene.aws.env["LANES"]), ("LANE", "images"), ("WORKER_TIMEOUT_SECONDS", "600")):
        monkeypatch.setenv(name, value)
    forget_processes()
    scene.handle(
        "PARENT", lambda ctx, payload: ctx.submit("page", "RENDER", {"page": 1}, timeout_seconds=50), pool=images
    )
    scene.put(type="PARENT")
    assert scene.deliver(scene.message(type="PARENT"), remaining_ms=600_000) == []
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["normal"]
    scene.handle(
        "PARENT", lambda ctx, payload: ctx.submit("long", "RENDER", {"page": 1}, timeout_seconds=51), pool=images
    )
    scene.put("01kgdz6m00aaaaaaaaaaaaaaab", type="PARENT", retry=POLICY)
    scene.deliver(scene.message("01kgdz6m00aaaaaaaaaaaaaaab", type="PARENT"), remaining_ms=600_000)
    error = scene.task("01kgdz6m00aaaaaaaaaaaaaaab").history[0].error
    assert "must be at most 50" in str(error)


# -- secrets


def secret(scene: Scene, name: str, value: str) -> None:
    path = f"{scene.aws.env['HANDLER_SECRETS']}/{name}"
    scene.aws.client("secretsmanager").create_secret(Name=path, SecretString=value)


def test_secret_is_of_the_tenant_else_of_the_deployment(scene: Scene) -> None:
    secret(scene, "shared", "of-all")
    secret(scene, "own", "of-all")
    secret(scene, f"{TENANT}/own", "of-tenant")
    secret(scene, "other-tenant/private", "of-another")

    async def handler(ctx: Any, payload: Any) -> None:
        scene.ran.append([ctx.secret("shared"), await ctx.secret_async("own")])
        ctx.secret("private")

    run(scene, handler)
    assert scene.ran == [["of-all", "of-tenant"]]
    assert scene.task().history[0].error_type == "SecretUnusable"


def test_secret_is_read_again_after_five_minutes(scene: Scene) -> None:
    secret(scene, "key", "one")
    scene.handle("PARENT", lambda ctx, payload: scene.ran.append(ctx.secret("key")))
    for number, seconds in enumerate((0, 299, 2)):
        scene.clock.advance(seconds)
        scene.put(f"01kgdz6m00aaaaaaaaaaaaaaa{number}", type="PARENT")
        scene.deliver(scene.message(f"01kgdz6m00aaaaaaaaaaaaaaa{number}", type="PARENT"))
        scene.aws.client("secretsmanager").put_secret_value(
            SecretId=f"{scene.aws.env['HANDLER_SECRETS']}/key", SecretString="two"
        )
    assert scene.ran == ["one", "one", "two"]


def test_secret_is_in_no_log_and_no_error(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    secret(scene, "partner", '{"user": "taskyard", "password": "S3CRET-VALUE"}')

    def handler(ctx: Any, payload: Any) -> None:
        password = json.loads(ctx.secret("partner"))["password"]
        ctx.log(f"with {password}", value=password)
        ctx.progress(0.5, password)
        logging.getLogger("taskyard.handler").warning("again %s", password)
        raise RuntimeError(f"refused {password}")

    caplog.set_level(logging.INFO)
    run(scene, handler)
    attempt = scene.task().history[0]
    assert attempt.error == "refused **********"
    assert attempt.log == ("with ********** {'value': '**********'}",)
    assert scene.task().progress is not None
    assert "S3CRET" not in str(scene.aws.items())
    assert "S3CRET" not in caplog.text
