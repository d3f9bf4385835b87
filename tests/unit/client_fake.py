"""The HTTP API as the client sees it, in memory: enough of docs/architecture.md's routes to test a caller."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import httpx
from taskyard import Backoff, Taskyard

URL = "http://127.0.0.1:4510"
CREATED = "2026-02-01T10:00:00.000Z"


def task_document(task_id: str = "t1", state: str = "READY", **fields: object) -> dict[str, object]:
    return {
        "id": task_id, "type": "DELAYED_MESSAGE", "state": state, "priority": 5, "lane": "normal", "payload": {},
        "result": None, "runAt": CREATED, "createdAt": CREATED, "startedAt": None, "endedAt": None, "attempt": 0,
        "maxAttempts": 4, "maxRetries": 3, "tags": {}, "generation": 1, "dependencies": [], "attempts": [],
        "retry": {"strategy": "exponential", "baseSeconds": 2, "maxSeconds": 900, "jitter": 0.5},
    } | fields  # fmt: skip


def problem(status: int, title: str, **fields: object) -> httpx.Response:
    body = {"type": f"/problems/{status}", "title": title, "status": status, **fields}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


class FakeApi:
    """Tasks by id. `answers`: responses or exceptions given before anything else, in order, instead of acting.
    `lost`: how many of the next requests are carried out and their answer dropped."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, object]] = {}
        self.by_key: dict[str, str] = {}
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response | BaseException] = []
        self.lost = 0
        self.page_size = 100

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        response = self._act(request)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadError("connection reset", request=request)
        return response

    def _act(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        if parts == ["monitor", "health"]:
            return httpx.Response(200, json={"status": "ok"})
        if parts == ["monitor", "stats"]:
            lanes = {"high": {"queued": 1, "inFlight": 2, "delayed": 3}}
            body = {"states": {"READY": len(self.tasks)}, "types": {"EMAIL": {"READY": 1}}, "lanes": lanes}
            return httpx.Response(200, json=body | {"oldestSeconds": 2.5})
        if parts == ["tasks"]:
            return self._submit(request) if request.method == "POST" else self._list(request)
        task = self.tasks.get(unquote(parts[1]))
        if task is None:
            return problem(404, "No such task", detail=f"no task {parts[1]}")
        if request.method == "GET":
            return httpx.Response(200, json=task)
        if task["state"] not in ("READY", "PENDING", "CANCELLED"):
            return problem(409, "Not in this state", detail=f"the task is {task['state']}")
        if request.method == "DELETE":
            task["state"] = "CANCELLED"
            return httpx.Response(204)
        task.update(json.loads(request.content))
        return httpx.Response(200, json=task)

    def _submit(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body.get("type") == "NO_SUCH_TYPE":
            return problem(422, "Invalid task", errors=[{"field": "type", "message": "known types: DELAYED_MESSAGE"}])
        key = request.headers.get("idempotency-key") or body["idempotencyKey"]
        if key in self.by_key:
            return httpx.Response(200, json=self.tasks[self.by_key[key]])
        task_id = f"t{len(self.tasks) + 1}"
        self.tasks[task_id] = task_document(task_id, type=body.get("type"), payload=body.get("payload"))
        self.by_key[key] = task_id
        return httpx.Response(201, json=self.tasks[task_id])

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        found = [task for task in self.tasks.values() if query.get("state", task["state"]) == task["state"]]
        first = int(query.get("cursor", "0"))
        last = first + min(int(query.get("limit", self.page_size)), self.page_size)
        cursor = str(last) if last < len(found) else None
        return httpx.Response(200, json={"tasks": found[first:last], "cursor": cursor})


class Sleeper:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def awaited(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def clock(self) -> float:
        return sum(self.pauses)


@contextmanager
def connected(api: FakeApi, sleeper: Sleeper | None = None, backoff: Backoff | None = None) -> Iterator[Taskyard]:
    sleeper = sleeper or Sleeper()
    transport = httpx.MockTransport(api)
    with Taskyard(
        URL, "none", transport=transport, sleep=sleeper, clock=sleeper.clock, draw=lambda: 0.5, backoff=backoff
    ) as yard:
        yield yard
