"""Somebody outside, with HTTP only: requests go through the api function as API Gateway would hand them over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.deployment import ACCOUNT
from tests.simulation.fibers import MS, SECOND
from tests.simulation.handlers import TYPE
from tests.simulation.invariants import Promise

if TYPE_CHECKING:
    from tests.simulation.world import World

PATIENCE = 30 * SECOND
"""API Gateway's own limit."""
TRIES = 8
ID = 26
"""Characters of an id, at least."""


@dataclass(frozen=True)
class Answer:
    status: int
    document: Any = None


NONE = Answer(0)
"""No answer, or one of the kind that may be tried again (5xx): the client knows nothing."""


class Client:
    def __init__(self, world: World) -> None:
        self.world = world
        self.watch = world.watch
        self.draw = world.faults.random

    # -- time

    def now_ms(self) -> int:
        return self.world.hub.now // MS

    def sleep(self, seconds: float) -> None:
        self.world.hub.sleep(round(seconds * SECOND))

    def at(self, seconds: float) -> tuple[int, str]:
        """So many seconds from now: epoch ms, and as the API wants it."""
        at = self.now_ms() + round(seconds * 1000)
        return at, f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"

    # -- what clients do

    def submit(self, payload: dict[str, Any] | None = None, *, key: str | None = None, **fields: Any) -> str | None:
        """The task's id; None when the answer was lost or the submit refused."""
        body = {"type": TYPE, "payload": payload or {}, **fields}
        answer = self.request("POST", "/tasks", body, key)
        if answer.status in (200, 201):
            self.watch.accept(answer.document["id"], json.dumps(body, sort_keys=True))
            return str(answer.document["id"])
        return None

    def submit_surely(self, payload: dict[str, Any] | None = None, **fields: Any) -> str | None:
        """With a key, until it is answered."""
        key = fields.pop("key", None) or self.world.identity("key")
        return self.again(lambda: self.submit(payload, key=key, **fields))

    def again(self, call: Callable[[], str | None]) -> str | None:
        for _ in range(TRIES):
            if found := call():
                return found
            self.sleep(self.draw.random() * 3)
        return None

    def cancel(self, task: str) -> int:
        answer = self.request("DELETE", f"/tasks/{task}")
        if answer.status == 204:
            self.watch.cancelled.add(task)
            self.watch.timers(task, 0)
        return answer.status

    def change(self, task: str, *, run_in: float | None = None, **fields: Any) -> int:
        """`run_in`: seconds from now. What an answer says is promised from then on: one client changes a task, and a
        change that was never answered may land at any time, so that nothing is promised after it."""
        body: dict[str, Any] = dict(fields)
        at = None
        if run_in is not None:
            at, body["runAt"] = self.at(run_in)
        promise = self.watch.promises.setdefault(task, Promise())
        kept, promise.run_at, promise.version = (promise.run_at, promise.version), None, None
        if "payload" in fields:
            self.watch.changed.add(task)
        answer = self.request("PATCH", f"/tasks/{task}", body)
        promise.doubtful |= answer.status == 0
        if promise.doubtful:
            return answer.status
        if answer.status == 200:
            promise.run_at = kept[0] if at is None else at
            promise.version = fields["payload"]["version"] if "payload" in fields else kept[1]
            self.watch.timers(task, 1)
        elif 400 <= answer.status < 500:
            promise.run_at, promise.version = kept
        return answer.status

    def submit_batch(self, payloads: list[dict[str, Any]], **fields: Any) -> list[str]:
        """At once, each with a key of its own. The ids of those that were accepted."""
        bodies = [{"type": TYPE, "payload": payload, **fields} for payload in payloads]
        tasks = [body | {"idempotencyKey": self.world.identity("key")} for body in bodies]
        answer = self.request("POST", "/tasks/batch", {"tasks": tasks})
        accepted = []
        for result in answer.document["results"] if answer.status == 200 else ():
            if result["status"] in (200, 201):
                accepted.append(result["task"]["id"])
                self.watch.accept(accepted[-1], json.dumps(bodies[result["index"]], sort_keys=True))
        return accepted

    def cancel_many(self, tasks: list[str]) -> None:
        answer = self.request("POST", "/tasks/cancel", {"ids": tasks})
        if answer.status == 200:
            self.watch.cancelled.update(answer.document["cancelled"])

    def settled(self, task: str, *, every: float) -> bool:
        """False when it takes an hour or two."""
        return self.ended(f"/tasks/{task}", every=every, hours=1) is not None

    def ended(self, path: str, *, every: float, hours: int) -> str | None:
        """Polls, less and less often, until it has ended: its state then."""
        until = self.world.hub.now + hours * 3600 * SECOND
        while self.world.hub.now < until:
            answer = self.request("GET", path)
            if answer.status == 200 and answer.document["endedAt"]:
                return str(answer.document["state"])
            self.sleep(every)
            every *= 1.5
        return None

    # -- workflows

    def submit_run(self, nodes: list[dict[str, Any]], *, key: str | None = None, **fields: Any) -> str | None:
        answer = self.request("POST", "/workflows", {"nodes": nodes, **fields}, key)
        if answer.status not in (200, 201):
            return None
        self.watch.workflows.accept(answer.document["id"], nodes)
        return str(answer.document["id"])

    def submit_run_surely(self, nodes: list[dict[str, Any]], **fields: Any) -> str | None:
        key = self.world.identity("key")
        return self.again(lambda: self.submit_run(nodes, key=key, **fields))

    def cancel_run(self, run: str) -> int:
        before = self.request("GET", f"/workflows/{run}")
        answer = self.request("DELETE", f"/workflows/{run}")
        if answer.status == 204 and before.status == 200:
            self.watch.workflows.cancelled.add((run, before.document["round"]))
        return answer.status

    def retry_run(self, run: str) -> int:
        return self.request("POST", f"/workflows/{run}/retry").status

    def run_ended(self, run: str, *, every: float) -> str | None:
        """Its state then; None when it takes half a day."""
        return self.ended(f"/workflows/{run}", every=every, hours=12)

    # -- schedules

    def surely(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        """Until it is answered."""
        while True:
            answer = self.request(method, path, body, key)
            if answer.status:
                return answer
            self.sleep(self.draw.random() * 3)

    def schedule(self, **fields: Any) -> str | None:
        key = self.world.identity("key")
        answer = self.request("POST", "/schedules", fields, key)
        if not answer.status:
            answer = self.surely("POST", "/schedules", fields, key)
            # The one that was not answered may still run, and make again what would be deleted meanwhile.
            self.sleep(60)
        if answer.status not in (200, 201):
            return None
        self.watch.schedules.accepted.add(answer.document["id"])
        return str(answer.document["id"])

    def delete_schedule(self, schedule: str) -> None:
        self.surely("DELETE", f"/schedules/{schedule}")
        # 204, or 404 to the second try of one that was not answered.
        self.watch.schedules.deleted.add(schedule)

    # -- HTTP

    def request(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        world = self.world
        if world.faults.happens("request lost", f"{method} {path} never arrives"):
            self.sleep(5)
            return NONE
        answers: list[Any] = []
        process: list[Any] = []

        def begin(wake: Any) -> None:
            def done(answer: Any) -> None:
                answers.append(answer)
                wake()

            process.append(world.functions.invoke("api", event(method, path, body, key), done, f"{method} {path}"))

        world.hub.wait(begin, PATIENCE)
        if not answers or answers[0] is None:
            return NONE
        status = answers[0]["statusCode"]
        document = json.loads(answers[0]["body"]) if answers[0].get("body") else None
        world.count(f"HTTP {status}")
        world.trace(process[0].name, f"answers {status}" + (f" {document.get('detail')}" if status >= 400 else ""))
        # A retry finishes first what the end of the task owes to others, and may be refused after that.
        asked = path.split("/")[2] if path.endswith("/retry") else ""
        # So does a change of a schedule that catches up what it was paused over.
        answers_for = not (method == "PATCH" and path.startswith("/schedules"))
        if 400 <= status < 500 and answers_for and process[0].wrote(asked) and not process[0].unsure:
            world.violate(f"{method} {path} was answered with {status} and wrote a task")
        if status == 500:
            world.violate(f"{method} {path} was answered with 500: {document}")
        if world.faults.happens("request lost", f"the answer of {method} {path}"):
            return NONE
        return NONE if status >= 500 else Answer(status, document)


def event(method: str, path: str, body: Any, key: str | None) -> dict[str, Any]:
    """Payload format 2.0, as events/api/ has it."""
    headers = {"content-type": "application/json", "host": "api.example.com"}
    if key is not None:
        headers["idempotency-key"] = key
    parts = path.split("/")
    ids = [part for part in parts if len(part) >= ID]
    route = f"{method} " + "/".join("{id}" if part in ids else part for part in parts)
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api",
            "authorizer": {"iam": {"accountId": ACCOUNT, "userArn": f"arn:aws:iam::{ACCOUNT}:user/client"}},
            "domainName": "api.example.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "s"},
            "requestId": "request",
            "routeKey": route,
            "stage": "$default",
        },
        "pathParameters": {"id": ids[0]} if ids else {},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
