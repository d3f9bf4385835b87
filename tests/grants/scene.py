"""What scenarios of grants share: requests, time, faults, and the check that no call was denied."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from functions.aws.queues import Lane
from functions.runtime.environment import parse_lanes
from infra.build.code_assets import write_task_types
from infra.build.layers import build_local_layer
from infra.build.locations import LOCK_FILE
from local.aws.calls import AwsCall, error_response
from local.http_server import Response
from local.system import LocalSystem
from local.template import cloud_assembly
from local.template.intrinsics import ACCOUNT
from tests.grants.grants import Grant, GrantUse

HANDLER = Path(__file__).parent / "handlers" / "grant_probe.py"
LARGE_BYTES = 300_000
"""More than an item of the table takes: it goes to S3."""
TOKEN_SECONDS = 3600
ITEM_BYTES = 20_000
"""More than a record takes: it goes into an item of its own."""


class Denied(AssertionError):
    """A call was denied in a scenario."""


@dataclass
class Scene:
    """One system on which scenarios run one after the other, each on its own tasks."""

    system: LocalSystem
    use: GrantUse
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def of(cls, system: LocalSystem) -> Scene:
        return cls(system, GrantUse(system))

    def play(self, name: str, scenario: Callable[[Scene], None]) -> None:
        """Raises Denied, else AssertionError with what was not as the scenario expects."""
        self.use.scenario = name
        self.use.denied.clear()
        try:
            scenario(self)
            self.settle()
        except Denied:
            raise
        except Exception as error:
            self.check()
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        finally:
            self.use.scenario = ""

    def check(self) -> None:
        if self.use.denied:
            role, permission = self.use.denied[0]
            raise Denied(f"{role} may not {permission.action} on {permission.resource}")

    def settle(self) -> None:
        assert self.system.settle(60, windows=False), "it does not settle"
        self.check()

    def advance(self, seconds: float) -> None:
        self.system.clock.advance(seconds)
        self.settle()

    def number(self) -> int:
        """Another one each time: caches of warm processes do not know it."""
        return next(self._numbers)

    # -- requests

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        token = self.system.token("admin", ttl_seconds=TOKEN_SECONDS)
        headers = {"Authorization": f"Bearer {token}", **headers}
        answer = httpx.request(method, self.system.url + path, json=body, headers=headers, timeout=60)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def submit(self, type: str = "GRANT_PROBE", payload: Any = None, **fields: Any) -> str:
        """The id of a new task."""
        body = {"type": type, "payload": payload or {}, **fields}
        return str(self.call("POST", "/tasks", body)["id"])

    def run(self, type: str = "GRANT_PROBE", payload: Any = None, **fields: Any) -> str:
        """A task that must succeed now."""
        task = self.submit(type, payload, **fields)
        self.settle()
        self.require(task, "SUCCESS")
        return task

    def state(self, task: str) -> str:
        return str(self.call("GET", f"/tasks/{task}")["state"])

    def require(self, task: str, state: str) -> None:
        assert (found := self.state(task)) == state, f"task {task} is {found}, not {state}"

    def workflow(self, nodes: dict[str, Any], **fields: Any) -> str:
        """The id of a new run, a moment after its execution has read its record."""
        run = str(self.call("POST", "/workflows", {"nodes": nodes, **fields})["id"])
        self.advance(2)
        return run

    def run_state(self, run: str) -> str:
        return str(self.call("GET", f"/workflows/{run}")["state"])

    def schedule(self, **fields: Any) -> str:
        """The id of a new schedule, each hour unless `fields` say otherwise."""
        timing = {} if {"cron", "rate"} & fields.keys() else {"rate": "1 hour"}
        body = {"task": {"type": "GRANT_PROBE", "payload": {}}, **timing, **fields}
        return str(self.call("POST", "/schedules", body)["id"])

    def advance_to_firing(self, schedule: str) -> None:
        at = datetime.fromisoformat(self.call("GET", f"/schedules/{schedule}")["nextTimes"][0])
        self.advance(at.timestamp() - self.system.clock.now() + 65)

    # -- AWS, as the administrator

    @property
    def table(self) -> str:
        return self.environment("api")["TABLE_NAME"]

    def environment(self, function: str) -> dict[str, str]:
        specs = self.system.stack.functions.values()
        return next(spec.environment for spec in specs if spec.label == function)

    def lanes(self) -> dict[str, Lane]:
        return parse_lanes(self.environment("api")["LANES"])

    def put_into_dead_letters(self, task: str, *, lane: str = "normal", generation: int = 1) -> None:
        """A wake-up of the task, as SQS moves it."""
        sqs = self.system.aws("sqs")
        name = self.lanes()[lane].dead_letter_arn.rpartition(":")[2]
        wakeup = {"tenant": ACCOUNT, "task": task, "generation": generation, "timeout": 1}
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=json.dumps(wakeup))
        self.settle()

    def put_into_failures(self, function: str, event: Any) -> None:
        """An asynchronous invocation of the function, as Lambda puts it there when it gave it up."""
        arn = next(spec.arn for spec in self.system.stack.functions.values() if spec.label == function)
        record = {"requestContext": {"functionArn": f"{arn}:$LATEST"}, "requestPayload": event}
        (grant,) = [
            grant
            for grant in self.use.grants["producer"]
            if grant.action == "sqs:SendMessage" and "Failures" in grant.resource
        ]
        sqs = self.system.aws("sqs")
        url = sqs.get_queue_url(QueueName=grant.resource.rpartition(":")[2])["QueueUrl"]
        # AWS's limit, of messages and of asynchronous invocations; moto's is older.
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": str(1024 * 1024)})
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record))
        self.settle()

    @contextlib.contextmanager
    def refusing(self, caller: str, operation: str) -> Iterator[None]:
        """AWS refuses these calls, with an error that no SDK repeats."""

        def interceptor(label: str, call: AwsCall, answer: Callable[[], Response]) -> Response:
            if label.startswith(caller) and call.operation == operation:
                return error_response(call.service, "ValidationException", "a scenario refuses it")
            return answer()

        self.system.intercept(interceptor)
        try:
            yield
        finally:
            self.system.intercept(lambda label, call, answer: answer())

    def grant(self, role: str, action: str, resource: str) -> Grant:
        (grant,) = [g for g in self.use.grants[role] if g.action == action and g.resource == resource]
        return grant

    def forget(self) -> None:
        """Leaves nothing of a scenario that failed: no schedules, executions, messages and records."""
        scheduler, states = self.system.aws("scheduler"), self.system.aws("stepfunctions")
        for schedule in scheduler.list_schedules()["Schedules"]:
            scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
        for execution in self.system.executions():
            if execution.status == "RUNNING":
                states.stop_execution(executionArn=execution.arn)
        self.system.run(_clear())
        self.system.settle(60, windows=False)


async def _clear() -> None:
    from local.aws import moto_backends

    for queue in moto_backends.backend("sqs").queues.values():
        queue._messages.clear()
    for table in moto_backends.backend("dynamodb").tables.values():
        table.items.clear()


def assembly(directory: Path, handler: Path = HANDLER) -> cloud_assembly.CloudAssembly:
    """The dev stack with one more task file in its code: GRANT_PROBE, unless `handler` is another."""
    cloud_assembly.synthesize("dev")
    cloud = cloud_assembly.load(cloud_assembly.PROJECT / "cdk.out", "Taskyard-dev")
    assets = dict(cloud.assets)
    for key, path in cloud.assets.items():
        if (path / "functions" / "tasks").is_dir():
            code = directory / "code"
            shutil.copytree(path, code)
            shutil.copy(handler, code / "functions" / "tasks")
            write_task_types(code, build_local_layer(LOCK_FILE))
            assets[key] = code
    return cloud_assembly.CloudAssembly(cloud.stack_name, cloud.template, assets)
