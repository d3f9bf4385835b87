"""Logs of a whole run hold no payload, no result, no key and no token: the run is full of planted values, and all that
functions logged and the local system reported is searched for them.

Values of ordinary fields that a handler itself logs or puts into an exception are the handler's (docs/security.md):
QUOTING quotes what is sensitive only.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from local.system import FunctionFailed, LocalSystem
from local.template.intrinsics import ACCOUNT
from tests.e2e.callers import signed, token
from tests.e2e.conftest import LoggedSystem
from tests.integration.receiver import Reply, receiver

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("logs"), pytest.mark.timeout(300)]

WEBHOOK_SECRET = hashlib.sha512(f"taskyard/dev/webhooks/{ACCOUNT}/default".encode()).hexdigest()[:64]
"""As local/aws/provisioning.py makes it."""


class Plants:
    """Values that nothing else has. `plants["payload"]` is the same each time."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self.of.setdefault(name, f"plant-{secrets.token_hex(12)}")

    def keep(self, name: str, value: str) -> str:
        self.of[name] = value
        return value


class Run:
    """Requests to both HTTP APIs."""

    def __init__(self, system: LocalSystem, plants: Plants) -> None:
        self.system = system
        self.plants = plants
        self.token = plants.keep("bearer token", token(system))

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, self.system.url + path, content, {"Authorization": f"Bearer {self.token}", **headers})

    def sign(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = b"" if body is None else json.dumps(body).encode()
        url = f"{self.system.iam_url}{path}"
        made = signed(method, url, self.system.admin.access_key, self.system.admin.secret, content)
        self.plants.keep("signature", made["Authorization"].rpartition("=")[2])
        return self.send(method, url, content, made | headers)

    def send(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        sent = {"content-type": "application/json", **headers}
        answer = httpx.request(method, url, content=content, headers=sent, timeout=60)
        assert answer.status_code < 500, answer.text
        return answer

    def create(self, path: str, body: Any, **headers: str) -> str:
        answer = self("POST", path, body, **headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def settle(self) -> None:
        assert self.system.settle(60)

    def advance(self, seconds: float) -> None:
        self.system.clock.advance(seconds)
        self.settle()


def quoting(plants: Plants, **payload: Any) -> dict[str, Any]:
    filled = {"token": plants["sensitive"], "text": plants["payload"], "result": plants["result"], **payload}
    return {"type": "QUOTING", "payload": filled, "maxRetries": 1, "retry": {"strategy": "fixed", "baseSeconds": 1}}


ENDS = ("well", "in a retry", "in a chain of errors", "for good", "crash")


def run_tasks(run: Run, plants: Plants) -> None:
    for ends in ENDS:
        run.create("/tasks", quoting(plants, ends=ends), **{"Idempotency-Key": f"{plants['idempotency key']}-{ends}"})
    assert run.sign("POST", "/tasks", quoting(plants)).status_code == 201
    for size in (20_000, 300_000):
        run.create("/tasks", quoting(plants, text=plants["payload"] + "x" * size, result=plants["result"] + "x" * size))
    batch = {"tasks": [quoting(plants), {"type": "QUOTING", "payload": {"tokn": plants["refused payload"]}}]}
    assert run("POST", "/tasks/batch", batch).status_code == 200
    run.settle()
    run.advance(600)


def run_requests_that_are_refused(run: Run, plants: Plants) -> None:
    wrong = plants["refused payload"]
    url = f"{run.system.url}/tasks"
    for body in (
        {"type": wrong, "payload": {}},
        {"type": "QUOTING", "payload": {"token": [wrong], wrong: 1}},
        {"type": "QUOTING", "payload": {"token": wrong}, "idempotencyKey": "schedule:" + wrong},
        {"type": "WEBHOOK_CALL", "payload": {"url": f"ftp://user:{wrong}@host/"}},
    ):
        assert run("POST", "/tasks", body).status_code == 422
    bearer = {"Authorization": f"Bearer {run.token}"}
    assert run.send("POST", url, f'{{"type": "{wrong}'.encode(), bearer).status_code == 400
    assert run.send("POST", url, b"{}", {"Authorization": f"Bearer {plants['false token']}"}).status_code == 401
    assert run.send("POST", url, b"{}", {"Authorization": plants["false credentials"]}).status_code == 401
    other = signed("GET", f"{run.system.iam_url}/tasks", plants["false key"], plants["false secret"])
    assert run.send("GET", f"{run.system.iam_url}/tasks", b"", other).status_code == 403
    assert run("GET", f"/tasks?cursor={wrong}").status_code == 422
    assert run("GET", f"/tasks/{wrong}").status_code == 404
    assert run("GET", f"/{wrong}").status_code == 404


def run_changes(run: Run, plants: Plants) -> None:
    task = run.create("/tasks", quoting(plants) | {"delaySeconds": 86_400})
    assert run("PATCH", f"/tasks/{task}", {"payload": quoting(plants)["payload"]}).status_code == 200
    assert run("DELETE", f"/tasks/{task}").status_code == 204
    many = {"type": "QUOTING", "dryRun": True}
    assert run("POST", "/tasks/cancel", many, **{"Idempotency-Key": plants["key of a bulk act"]}).status_code == 200


def run_dead_letters(run: Run, plants: Plants) -> None:
    dead = run.create("/tasks", quoting(plants, ends="for good"))
    run.settle()
    assert run("POST", f"/tasks/{dead}/retry", {}).status_code in (200, 202)
    run.settle()
    assert run("POST", "/dead-letters/redrive", {}).status_code == 200
    run.settle()
    run.advance(600)


def run_workflows_and_schedules(run: Run, plants: Plants) -> None:
    node = quoting(plants)
    nodes = {"first": node, "second": node | {"dependsOn": ["first"]}}
    run.create("/workflows", {"nodes": nodes})
    failing = {"only": quoting(plants, ends="for good")}
    broken = run.create("/workflows", {"nodes": failing})
    run.advance(60)
    run("POST", f"/workflows/{broken}/retry")
    schedule = run.create("/schedules", {"rate": "1 hour", "task": node})
    assert run("POST", f"/schedules/{schedule}/run").status_code < 300
    changed = {"task": quoting(plants, text=plants["changed payload"])}
    assert run("PATCH", f"/schedules/{schedule}", changed).status_code == 200
    run.advance(3 * 3600)
    assert run("DELETE", f"/schedules/{schedule}").status_code == 204


def run_webhooks_and_mails(run: Run, plants: Plants) -> None:
    with receiver(Reply(500), Reply(200)) as here:
        path = f"{here.url}/{plants['path of a webhook']}?key={plants['query of a webhook']}"
        call = {
            "url": path,
            "headers": {"X-Api-Key": plants["header of a webhook"]},
            "body": {"text": plants["body of a webhook"]},
        }
        run.create("/tasks", {"type": "WEBHOOK_CALL", "payload": call, "maxRetries": 1})
        signed_call = {"url": path, "body": plants["body of a webhook"], "secret": "default"}
        run.create("/tasks", {"type": "WEBHOOK_CALL", "payload": signed_call})
        run.create("/tasks", quoting(plants) | {"notify": [{"webhook": path, "secret": "default"}]})
        run.settle()
        run.advance(3600)
        assert here.got
    gone = f"http://127.0.0.1:9/{plants['path of a webhook']}"
    mailed = [{"webhook": gone}, {"email": f"{plants['mail address']}@example.com"}]
    run.create("/tasks", quoting(plants, ends="for good") | {"notify": mailed})
    run.create("/tasks", {"type": "WEBHOOK_CALL", "payload": {"url": gone}, "maxRetries": 0})
    text = {"subject": plants["subject of a mail"], "content": plants["text of a mail"]}
    run.create("/tasks", {"type": "SEND_EMAIL", "payload": {"to": f"{plants['mail address']}@example.com", **text}})
    run.settle()
    run.advance(2 * 86_400)


def run_direct_invocations(run: Run, plants: Plants) -> None:
    task = quoting(plants)
    assert run.system.invoke("producer", {"submit": task})["status"] == 201
    wrong = {"type": "QUOTING", "payload": {"token": [plants["refused payload"]]}}
    assert run.system.invoke("producer", {"submit": wrong})["status"] == 422
    for function in ("producer", "firing", "notifier", "workflow"):
        for event in (
            {"step": "deliver", "notification": {"body": plants["unreadable event"]}},
            {"tenant": {}, "schedule": plants["unreadable event"]},
            [plants["unreadable event"]],
            plants["unreadable event"],
        ):
            try:
                run.system.invoke(function, event)
            except FunctionFailed:
                continue  # It is Lambda that repeats it, or gives it up.
    run.settle()


def run_unreadable_messages(run: Run, plants: Plants) -> None:
    sqs = run.system.aws("sqs")
    for url in sqs.list_queues()["QueueUrls"]:
        for body in (
            plants["unreadable event"],
            json.dumps({"tenant": plants["unreadable event"] * 50, "task": plants["unreadable event"]}),
            json.dumps({"requestPayload": {"submit": quoting(plants)}, "requestContext": {}}),
        ):
            sqs.send_message(QueueUrl=url, MessageBody=body)
    specs = run.system.stack.functions.values()
    table = next(spec.environment["TABLE_NAME"] for spec in specs if spec.label == "api")
    record = {
        "pk": {"S": f"TASK#{ACCOUNT}#{plants['id in a record']}"},
        "sk": {"S": "TASK"},
        "type": {"S": "QUOTING"},
        "state": {"N": "7"},
        "payload": {"S": plants["payload in a record"]},
    }
    run.system.aws("dynamodb").put_item(TableName=table, Item=record)
    run.settle()
    run.advance(3600)


PARTS = (
    run_tasks,
    run_requests_that_are_refused,
    run_changes,
    run_dead_letters,
    run_workflows_and_schedules,
    run_webhooks_and_mails,
    run_direct_invocations,
    run_unreadable_messages,
)


def log_lines(logged: LoggedSystem) -> Iterator[tuple[str, str]]:
    """Name of the log → each of its lines."""
    for path in sorted(logged.system.directory.rglob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            yield path.stem, line
    for line in logged.reports:
        yield "the local system", line


def test_logs_of_a_whole_run_hold_no_payload_and_no_token(
    logged: LoggedSystem, capfd: pytest.CaptureFixture[str]
) -> None:
    plants = Plants()
    plants.keep("webhook secret", WEBHOOK_SECRET)
    plants.keep("secret of the administrator", logged.system.admin.secret)
    plants.keep("secret for tokens", logged.system.token_secret)
    run = Run(logged.system, plants)
    for part in PARTS:
        part(run, plants)
    printed = "".join(capfd.readouterr())
    lines = [*log_lines(logged), *(("output", line) for line in printed.splitlines())]
    found = {(log, name, line[:300]) for log, line in lines for name, value in plants.of.items() if value in line}
    assert not found, "\n".join(map(str, sorted(found)))
    # The search has something to find: each function wrote, also what was masked, dropped or given up.
    whole = "\n".join(line for _, line in lines)
    for text in ("quoting **********", "token **********", "no luck with **********", "unreadable", "undeliverable"):
        assert text in whole, text
    functions = {function.spec.label for function in logged.system.functions.values()}
    assert functions - {log for log, _ in lines} == set()
