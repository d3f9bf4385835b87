"""Workers in processes of their own, that die for real: `os._exit` before the n-th call of AWS.

They talk to a moto server on the loopback, so what they had done is there, and what they had not is not. A crash after
call n is one before call n + 1: to the outside there is no difference.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from moto.server import DomainDispatcherApplication, ThreadedMotoServer
from moto.sqs.models import sqs_backends

from functions.aws.clients import client
from functions.core.task_types import RegisteredType, Registry
from functions.runtime import wiring
from functions.worker import handler as worker
from tests.integration import cloud
from tests.integration.cloud import ACCOUNT, LANES, REGION, Cloud

DEAD = 17
"""Exit code of a worker that was killed on purpose."""
TIMEOUT_MS = 60_000
FORK = multiprocessing.get_context("fork")
"""Everything is imported already: a worker begins within milliseconds."""


@dataclass
class Delivery:
    """`kept`: ids of messages that stay; None: the worker died. `calls`: what it called, the last perhaps not."""

    kept: list[str] | None
    calls: list[str]


@dataclass
class Underworld:
    """`now`: epoch ms, of all workers. `types`: what they can run. `notes`: a file that handlers write lines to."""

    now: int
    notes: Path
    types: dict[str, RegisteredType] = field(default_factory=dict)

    def deliver(
        self, *messages: dict[str, Any], dies_before: int | None = None, meanwhile: Callable[[], None] | None = None
    ) -> Delivery:
        """One invocation in a fresh process. `meanwhile` runs here while it runs there."""
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=self._work, args=(theirs, list(messages), dies_before))
        process.start()
        theirs.close()
        if meanwhile:
            meanwhile()
        heard: list[Any] = []
        try:
            while True:
                heard.append(ours.recv())
        except EOFError:
            process.join()
        assert process.exitcode in (0, DEAD), process.exitcode
        calls = [said for said in heard if isinstance(said, str)]
        kept = next((said for said in heard if isinstance(said, list)), None)
        assert (kept is None) == (process.exitcode == DEAD)
        return Delivery(kept, calls)

    def _work(self, pipe: Any, messages: list[dict[str, Any]], dies_before: int | None) -> None:
        """In the worker's process."""
        lock, calls = threading.Lock(), 0

        def call(request: Any, **_: Any) -> None:
            nonlocal calls
            with lock:
                calls += 1
                if calls == dies_before:
                    os._exit(DEAD)
                pipe.send(request.headers["X-Amz-Target"].decode().rpartition(".")[2])

        client.cache_clear()
        worker.services.cache_clear()
        wiring.clock = lambda: self.now
        wiring.registry = lambda: Registry(self.types)
        for service in ("dynamodb", "sqs"):
            client(service).meta.events.register("before-send", call)
        context = SimpleNamespace(
            aws_request_id=f"{os.getpid()}", get_remaining_time_in_millis=lambda: TIMEOUT_MS, function_name="worker"
        )
        answer = worker.handler({"Records": messages}, context)
        if dies_before is not None and calls < dies_before:
            os._exit(DEAD)
        pipe.send([failure["itemIdentifier"] for failure in answer["batchItemFailures"]])
        pipe.close()
        os._exit(0)

    def note(self, line: str) -> None:
        """Also from a worker's process."""
        with self.notes.open("a") as file:
            file.write(f"{line}\n")

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def take_wakeups(self) -> list[dict[str, Any]]:
        """Every wake-up in a lane, due or not; they are gone from there."""
        taken = []
        for lane in LANES:
            queue = sqs_backends[ACCOUNT][REGION].queues[f"taskyard-test-{lane}"]
            taken += [json.loads(message.body) for message in queue._messages]
            queue._messages.clear()
        return taken


@contextmanager
def moto_server() -> Iterator[str]:
    """Its URL. One request at a time: moto has no lock of its own."""
    lock = threading.Lock()
    dispatch = DomainDispatcherApplication.__call__

    def locked(*args: Any) -> Any:
        with lock:
            return dispatch(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DomainDispatcherApplication, "__call__", locked)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.stop()


@contextmanager
def underworld(notes: Path, *, now: int) -> Iterator[Underworld]:
    with moto_server() as url, pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patched.setenv(name, "testing")
        patched.setenv("AWS_DEFAULT_REGION", REGION)
        patched.setenv("AWS_ENDPOINT_URL", url)
        patched.delenv("AWS_PROFILE", raising=False)
        cloud.forget_processes()
        # Tests that ran before in this process shared moto's memory; those that run after will.
        reset(url)
        made = Cloud()
        cloud.provision(made)
        for name, value in made.env.items():
            patched.setenv(name, value)
        world = Underworld(now=now, notes=notes)
        patched.setattr(wiring, "clock", lambda: world.now)
        yield world
        cloud.forget_processes()
        reset(url)


def reset(url: str) -> None:
    urllib3.request("POST", f"{url}/moto-api/reset")
