"""Who takes part: how each is started, whose calls are its own, where its messages wait."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local.template import cloud_assembly
from tests.bench.processes import Command
from tests.bench.server import PROGRAMS, VISIBILITY_SECONDS, Server

PEERS_PYTHON = cloud_assembly.PROJECT / ".build" / "bench-venv" / "bin" / "python"
WORKERS = 4
"""Of Taskyard's worker processes: as many as the local system runs of one function."""
BATCH = 100
"""Tasks a request to POST /tasks/batch."""


@dataclass(frozen=True)
class Contender:
    """`name` is its access key's label and in its queues' names. `own`: further callers whose calls are its, `shared`:
    callers that work for it behind its back (read models). `api`: HTTP requests per task, where it has an API."""

    name: str
    title: str
    producer: Callable[[Server], Command]
    workers: Callable[[Server], list[Command]]
    queues: tuple[str, ...]
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    prepare: Callable[[Server], object] = lambda server: None
    peer: bool = False
    group: int = 1
    through_local: bool = False
    """Its workers are the local system's function processes."""
    visibility: int = VISIBILITY_SECONDS
    """For how many seconds SQS hides a message that a worker holds."""

    @property
    def api(self) -> float:
        return 0.0 if self.peer or self.name == "raw" else 1 / self.group


def _command(server: Server, label: str, env: dict[str, str], *argv: str) -> Command:
    return Command(argv, env, server.directory / f"{label}.log")


def _program(server: Server, label: str, env: dict[str, str], python: str, program: str, *arguments: str) -> Command:
    return _command(server, label, env, python, str(PROGRAMS / program), *arguments)


def raw() -> Contender:
    def prepare(server: Server) -> None:
        server.queue("raw")
        server.table("raw")

    def program(server: Server, what: str) -> Command:
        return _program(server, "raw", server.environment("raw"), sys.executable, "raw.py", what)

    return Contender(
        name="raw",
        title="raw boto3 loop",
        producer=lambda server: program(server, "produce"),
        workers=lambda server: [program(server, "work")],
        queues=("raw",),
        prepare=prepare,
        group=10,
    )


def taskyard(group: int) -> Contender:
    """The real handlers in processes of their own, which poll for themselves: on the peers' terms."""
    name = "taskyard-batch" if group > 1 else "taskyard"

    def worker(server: Server) -> Command:
        env = server.as_function(name, "worker-normal")
        return _program(server, name, env, sys.executable, "taskyard_worker.py")

    return Contender(
        name=name,
        title="Taskyard, submitted in hundreds" if group > 1 else "Taskyard, submitted one by one",
        producer=lambda server: _program(
            server,
            name,
            server.as_function(name, "api"),
            sys.executable,
            "taskyard_submit.py",
            "function",
            str(group),
        ),
        workers=lambda server: [worker(server)] * WORKERS,
        queues=(name,),
        shared=("observer",),
        group=group,
    )


def taskyard_local(group: int) -> Contender:
    """Everything as deployed: HTTP API, template, event source mappings, function processes."""
    name = "taskyard-local-batch" if group > 1 else "taskyard-local"
    return Contender(
        name=name,
        title=f"Taskyard through the local system{', in hundreds' if group > 1 else ''}",
        producer=lambda server: _program(
            server, name, server.environment(name), sys.executable, "taskyard_submit.py", "http", str(group)
        ),
        workers=lambda server: [],
        queues=("Taskyard-",),
        own=("api", "worker-high", "worker-normal", "worker-low"),
        shared=("observer",),
        group=group,
        through_local=True,
    )


def peer(
    name: str,
    title: str,
    settings: str,
    queues: str,
    module: str,
    worker: str,
    *,
    visibility: int,
    prepare: Callable[[Server], object] = lambda server: None,
) -> Contender:
    """One that people use today. `queues`: how its queues' names begin; `worker`: the arguments of python that start
    its workers; `prepare`: what it expects to be there."""

    def start(server: Server, *arguments: str) -> Command:
        env = server.environment(name) | {"BENCH_SETTINGS": settings, "BENCH_VISIBILITY": str(visibility)}
        return Command((str(PEERS_PYTHON), *arguments), env, server.directory / f"{name}.log")

    return Contender(
        name=name,
        title=title,
        producer=lambda server: start(server, str(PROGRAMS / module)),
        workers=lambda server: [start(server, *worker.split())],
        queues=(queues,),
        prepare=prepare,
        peer=True,
        visibility=visibility,
    )


def celery(settings: str, visibility: int = VISIBILITY_SECONDS) -> Contender:
    """`visibility` is among the recommended settings; the default is half an hour."""
    name = f"celery-{settings}" if visibility == VISIBILITY_SECONDS else f"celery-{settings}-{visibility}"
    worker = "-m celery -A celery_app worker -c 8 -l WARNING"
    hidden = 1800 if settings == "default" else visibility
    title = f"Celery, {settings} settings"
    # Its workers make the table when there is none, all at once, and those that come second fail their first task.
    table = partial(Server.table, name=name)
    return peer(name, title, settings, f"{name}-", "celery_app.py", worker, visibility=hidden, prepare=table)


def dramatiq() -> Contender:
    worker = "-m dramatiq dramatiq_app --processes 2 --threads 4"
    return peer("dramatiq", "dramatiq-sqs", "default", "dramatiq_", "dramatiq_app.py", worker, visibility=12 * 3600)


def taskiq(settings: str = "default") -> Contender:
    name, title = "taskiq", "taskiq-aio-sqs"
    if settings != "default":
        name, title = f"{name}-{settings}", f"{title}, {settings}"
    worker = "-m taskiq worker taskiq_app:broker --workers 2 --max-threadpool-threads 4"
    queue = partial(Server.queue, name=name)
    return peer(name, title, settings, name, "taskiq_app.py", worker, visibility=30, prepare=queue)


def all_contenders(*, peers: bool = True) -> list[Contender]:
    own = [raw(), taskyard(1), taskyard_local(1), taskyard(BATCH), taskyard_local(BATCH)]
    others = [celery("default"), celery("recommended"), dramatiq(), taskiq()]
    return own + (others if peers else [])
