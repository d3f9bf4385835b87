"""The one server of a bench: a LocalSystem whose code has one task type more, and whose AWS everybody calls.

Everything but the contenders' own processes runs here: moto, one request at a time, the HTTP API, the function
processes of the template, the table's stream and its observer.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.build.code_assets import write_task_types
from infra.build.layers import build_local_layer
from infra.build.locations import LOCK_FILE
from local.aws import moto_backends
from local.system import LocalSystem
from local.template import cloud_assembly
from local.template.intrinsics import ACCOUNT
from local.template.stack import FunctionSpec
from tests.bench.counting import Counting

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
BUILD = cloud_assembly.PROJECT / ".build" / "bench"
VISIBILITY_SECONDS = 70
"""Of the bench's own Taskyard queue: as the dev stack's lanes, whose workers have 60 s."""


@dataclass
class Server:
    """`code`: the functions' code as shipped, with BENCH_WORK in it."""

    system: LocalSystem
    directory: Path
    code: Path
    counting: Counting = field(default_factory=Counting)

    @property
    def token(self) -> str:
        """For the HTTP API."""
        token = self.system.token()
        assert token is not None, "the dev template has an API that takes tokens"
        return token

    @property
    def notes(self) -> Path:
        return self.directory / "notes"

    def function(self, label: str) -> FunctionSpec:
        return next(f.spec for f in self.system.functions.values() if f.spec.label == label)

    def environment(self, label: str) -> dict[str, str]:
        """For a contender's process: it calls AWS under a key of its own, so that its calls are told from others'."""
        principal = self.system.add_admin(label)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "PYTHONPATH": str(PROGRAMS),
            "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
            "AWS_ACCESS_KEY_ID": principal.access_key,
            "AWS_SECRET_ACCESS_KEY": principal.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.system.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BENCH_LABEL": label,
            "BENCH_NOTES": str(self.notes),
            "TASKYARD_URL": self.system.url,
            "TASKYARD_TOKEN": self.token,
        }

    def as_function(self, label: str, function: str) -> dict[str, str]:
        """The environment of a template's function for a process that is not Lambda's: its lanes are one queue of the
        bench's own, which no event source mapping of the local system reads."""
        url = self.queue(label, VISIBILITY_SECONDS)
        lanes = {
            "url": url.removesuffix(label),
            "arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:",
            "queues": {lane: [label, label] for lane in ("high", "normal", "low")},
        }
        env = self.environment(label)
        return {
            **self.function(function).environment,
            **env,
            "PYTHONPATH": os.pathsep.join([env["PYTHONPATH"], str(self.code)]),
            "LANES": json.dumps(lanes),
            "BENCH_QUEUE": url,
        }

    def queue(self, name: str, visibility: int = 30) -> str:
        answer = self.system.aws("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(visibility)})
        return str(answer["QueueUrl"])

    def table(self, name: str) -> None:
        """Made unless it is there; its key is `id`."""
        dynamodb = self.system.aws("dynamodb")
        if name not in dynamodb.list_tables()["TableNames"]:
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )

    def queued(self, *names: str) -> int:
        """Messages in the queues whose names begin so: visible, in flight and delayed."""
        queues = moto_backends.backend("sqs").queues
        return sum(len(queue._messages) for name, queue in list(queues.items()) if name.startswith(names))

    def forget(self) -> None:
        """Empties every queue and table, and the notes: the next round begins as the first did."""

        async def forget() -> None:
            for queue in moto_backends.backend("sqs").queues.values():
                queue._messages.clear()
            for table in moto_backends.backend("dynamodb").tables.values():
                table.items.clear()

        self.system.settle(10)
        self.system.run(forget())
        self.notes.write_text("")
        self.counting.reset()
        self.system.usage.reset()


@contextlib.contextmanager
def serving(name: str = "run") -> Iterator[Server]:
    cloud_assembly.synthesize("dev")
    cloud = cloud_assembly.load(cloud_assembly.PROJECT / "cdk.out", "Taskyard-dev")
    directory = BUILD / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    code = directory / "code"
    assets = dict(cloud.assets)
    for key, path in cloud.assets.items():
        if (path / "functions" / "tasks").is_dir():
            shutil.copytree(path, code)
            assets[key] = code
    add_task_type(code, directory / "notes")
    amended = cloud_assembly.CloudAssembly(cloud.stack_name, cloud.template, assets)
    with LocalSystem.start(assembly=amended, directory=directory, seed=1) as system:
        server = Server(system, directory, code)
        server.notes.write_text("")
        system.intercept(server.counting)
        yield server


def add_task_type(code: Path, notes: Path) -> None:
    shutil.copy(HERE / "handlers" / "bench_work.py", code / "functions" / "tasks")
    shutil.copy(PROGRAMS / "notes.py", code / "functions")
    (code / "functions" / "tasks" / "bench_work.notes").write_text(str(notes))
    write_task_types(code, build_local_layer(LOCK_FILE))
