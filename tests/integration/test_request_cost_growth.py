"""A request of twice the size costs twice the work at most, whatever in it was doubled, at every door."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from functions.core.field_errors import field_errors
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import Cloud
from tests.integration.conftest import Clock
from tests.integration.work import FUNCTIONS, counted, grows_linearly

SIZE = 100
ID = "01kge3h900nxwjw3yyr4p0tse3"
MAIL = {"type": "SEND_EMAIL", "payload": {"to": "ada@example.com", "subject": "s", "content": "c"}}
HOOK = {"type": "WEBHOOK_CALL", "payload": {"url": "https://example.com/"}}

Request = tuple[str, str, Any, dict[str, Any]]


def post(path: str, body: Any, **more: Any) -> Request:
    return "POST", path, body, more


def get(path: str, **query: str) -> Request:
    return "GET", path, None, {"query": query}


def many(n: int, value: Any = 1) -> dict[str, Any]:
    return {f"name{at}": value for at in range(n)}


def repeated(n: int) -> str:
    """A name twice, the second time as the last of `n`."""
    return "{" + ",".join(f'"name{at}": 1' for at in range(n)) + f', "name{n - 1}": 2}}'


def task(**payload: Any) -> dict[str, Any]:
    return MAIL | {"payload": MAIL["payload"] | payload}  # type: ignore[operator]


def workflow(nodes: Any, **fields: Any) -> Request:
    return post("/workflows", {"nodes": nodes, **fields})


def node(at: int, *after: str, **fields: Any) -> dict[str, Any]:
    return {"name": f"n{at}", **MESSAGE, "dependsOn": list(after), **fields}


def schedule(**fields: Any) -> Request:
    return post("/schedules", {"task": MESSAGE, **fields})


INPUTS: dict[str, Callable[[int], Request]] = {
    # bodies
    "fields": lambda n: post("/tasks", MESSAGE | many(n)),
    "repeated name": lambda n: post("/tasks", repeated(n)),
    "repeated names, one an object": lambda n: post("/tasks", f'{{"payload": [{",".join([repeated(2)] * n)}]}}'),
    "depth": lambda n: post("/tasks", '{"a":' + "[" * n + "]" * n + "}"),
    "width": lambda n: post("/tasks", {"type": "NONE", "payload": [[]] * n}),
    "long text": lambda n: post("/tasks", {"type": "x" * n}),
    "long name": lambda n: post("/tasks", MESSAGE | {"x" * n: 1}),
    "escapes": lambda n: post("/tasks", '{"type": "' + "\\ud83d\\ude00" * n + '"}'),
    "half a pair": lambda n: post("/tasks", '{"type": "' + "a" * n + '\\ud83d"}'),
    "digits": lambda n: post("/tasks", '{"priority": ' + "9" * n + "}"),
    "digits of a fraction": lambda n: post("/tasks", '{"delaySeconds": 1.' + "9" * n + ', "x": 1}'),
    "long numbers": lambda n: post("/tasks", '{"x": [' + ",".join(["9" * 300] * n) + "]}"),
    "spaces": lambda n: post("/tasks", " " * n + "{}"),
    "base64": lambda n: post("/tasks", json.dumps({"x": "y" * n}).encode()),
    "no JSON": lambda n: post("/tasks", "{" * n),
    # tasks
    "tags": lambda n: post("/tasks", MESSAGE | {"tags": many(n)}),
    "dependencies": lambda n: post("/tasks", MESSAGE | {"dependencies": [ID] * 2 * n}),
    "dependencies that are none": lambda n: post("/tasks", MESSAGE | {"dependencies": [1] * n}),
    "time": lambda n: post("/tasks", MESSAGE | {"runAt": "2027-02-01T10:00:00." + "0" * n}),
    "key": lambda n: post("/tasks", MESSAGE | {"idempotencyKey": "k" * n}),
    "targets": lambda n: post("/tasks", MESSAGE | {"notify": [{"webhook": "ftp://x"}] * n}),
    "alternatives of a payload": lambda n: post("/tasks", task(to=[1] * n)),
    "unknown fields of a payload": lambda n: post("/tasks", task(**many(n))),
    "wrong values of a payload": lambda n: post("/tasks", HOOK | {"payload": {"url": "https://x", "headers": many(n)}}),
    "payload": lambda n: post("/tasks", MESSAGE | {"payload": {"message": "m", "more": "x" * n}, "x": 1}),
    "ids to cancel": lambda n: post("/tasks/cancel", {"ids": [ID] * n}),
    "tags to cancel by": lambda n: post("/tasks/cancel", {"tags": many(n)}),
    "change": lambda n: ("PATCH", f"/tasks/{ID}", many(n), {}),
    "redrive": lambda n: post("/dead-letters/redrive", many(n)),
    # batches
    "entries": lambda n: post("/tasks/batch", {"tasks": [{}] * n}),
    "entries that are accepted": lambda n: post("/tasks/batch", {"tasks": [MESSAGE] * (n // 5)}),
    "entries of one key": lambda n: post("/tasks/batch", {"tasks": [MESSAGE | {"idempotencyKey": "k"}] * (n // 5)}),
    "errors of an entry": lambda n: post("/tasks/batch", {"tasks": [many(n)] * 2}),
    "long names of an entry": lambda n: post("/tasks/batch", {"tasks": [{f"{at}" * 300: 1 for at in range(n)}]}),
    # workflows
    "nodes": lambda n: workflow([node(at) for at in range(n)], x=1),
    "nodes by name": lambda n: workflow({f"n{at}": MESSAGE for at in range(n)}, x=1),
    "node names": lambda n: workflow([node(0, name="x" * n)]),
    "equal node names": lambda n: workflow([node(0) for _ in range(n)]),
    "chain": lambda n: workflow([node(at, *([f"n{at - 1}"] if at else [])) for at in range(n)], x=1),
    "circle": lambda n: workflow([node(at, f"n{(at + 1) % n}") for at in range(n)]),
    "edges": lambda n: workflow([*(node(at) for at in range(n)), node(n, *(f"n{at}" for at in range(n)))], x=1),
    "equal edges": lambda n: workflow([node(0), node(1, *(["n0"] * n))], x=1),
    "edges to nowhere": lambda n: workflow([node(0, *(f"x{at}" for at in range(n)))]),
    "fields of a node with a long name": lambda n: workflow({"x" * 10 * n: many(n)}),
    "wrong fields of each node": lambda n: workflow([node(at, x=1, tags=[]) for at in range(n)]),
    "workflow that is accepted": lambda n: workflow([node(at) for at in range(n)], idempotencyKey=f"of {n}"),
    # schedules
    "cron list": lambda n: schedule(cron="0," * n + "0 * * * *"),
    "cron fields": lambda n: schedule(cron="* " * n),
    "rate": lambda n: schedule(rate="5 minutes" + " " * n + "x"),
    "zone": lambda n: schedule(cron="0 9 * * *", timezone="Europe/" * n),
    "template": lambda n: schedule(rate="5 minutes", task=MESSAGE | many(n)),
    "fields of a schedule": lambda n: schedule(rate="5 minutes", **many(n)),
    # queries and headers
    "parameters": lambda n: get("/tasks", **many(n, "x")),
    "parameters of dead letters": lambda n: get("/dead-letters", **many(n, "x")),
    "cursor": lambda n: get("/tasks", cursor="A" * n),
    "cursor of notifications": lambda n: get("/notifications", state="UNDELIVERABLE", cursor="A" * n),
    "filter": lambda n: get("/tasks", type="x" * n),
    "headers": lambda n: post("/tasks", {}, headers=many(n, "x")),
    "key in the header": lambda n: post("/tasks", {}, headers={"Idempotency-Key": "\\" * n}),
    "media type": lambda n: post("/tasks", {}, headers={"Content-Type": ";" * n}),
    "path": lambda n: get("/tasks/" + "x" * n),
    "segments of a path": lambda n: get("/x" * n),
}


@pytest.mark.parametrize("name", INPUTS)
def test_work_grows_with_the_input_and_no_faster(api: Api, clock: Clock, name: str) -> None:
    def send(n: int) -> None:
        method, path, body, more = INPUTS[name](n)
        api(method, path, body, **more)

    assert grows_linearly(send, SIZE)


SUBMITS: dict[str, Callable[[int], dict[str, Any]]] = {
    "fields": lambda n: {"submit": MESSAGE | many(n)},
    "fields beside it": lambda n: {"submit": MESSAGE, **many(n)},
    "payload": lambda n: {"submit": task(to=[1] * n)},
    "key": lambda n: {"submit": MESSAGE, "idempotencyKey": "k" * n},
    "firing": lambda n: {"schedule": "x" * n, "tenant": "y" * n, "scheduledTime": "2" * n},
}


@pytest.mark.parametrize("name", SUBMITS)
def test_without_http_work_grows_no_faster_either(aws: Cloud, clock: Clock, name: str) -> None:
    assert grows_linearly(lambda n: aws.invoke("producer", SUBMITS[name](n)), SIZE)


class Either(BaseModel):
    to: str | list[str]


def test_errors_of_alternatives_are_told_apart_in_one_pass() -> None:
    def read(n: int) -> None:
        value = {"to": [1] * n}
        try:
            Either.model_validate(value)
        except ValidationError as error:
            field_errors(error.errors(), value)

    assert grows_linearly(read, SIZE)


QUADRATIC = {
    "count": "lambda names: [name for name in names if names.count(name) > 1]",
    "in": "lambda names: [name for name in names if (name + '.') in names]",
    "index": "lambda names: [names.index(name) for name in names]",
    "loop": "lambda names: [1 for name in names for other in names if name == other + '.']",
    "search": "lambda names: [any(other.startswith(name + '.') for other in names) for name in names]",
}


@pytest.mark.parametrize("name", QUADRATIC)
def test_the_count_sees_work_that_grows_with_the_square(name: str) -> None:
    quadratic = eval(compile(QUADRATIC[name], f"{FUNCTIONS}/example.py", "eval"))
    assert not grows_linearly(lambda n: quadratic([f"name{at}" for at in range(n)]), 40)


def test_the_count_is_the_same_each_time(api: Api, clock: Clock) -> None:
    totals = set()
    for _ in range(3):
        with counted() as work:
            api("POST", "/tasks", many(50))
        totals.add(work.total)
    assert len(totals) <= 2, "the first one may fill caches"
