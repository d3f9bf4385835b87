"""The seams of the real functions (clients, clock, threads, ids), led to the simulated world.

What is replaced, and nothing else: `functions.aws.clients.client`, `wiring.clock`, `wiring.registry`, the thread and
time-related modules that functions import, and `services` of each entry point (one assembly per function, as one
Lambda has its own process). All of it is undone by `uninstall`.
"""

from __future__ import annotations

import gc
import importlib
import io
import logging
import os
import pkgutil
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import functions
from tests.simulation import handlers
from tests.simulation.deployment import MODULES, PACKAGES, environment
from tests.simulation.dynamodb import ConditionalCheckFailedException
from tests.simulation.executions import ExecutionAlreadyExists, TaskDoesNotExist
from tests.simulation.fibers import MS, SECOND, Thread, ThreadPoolExecutor, running
from tests.simulation.timers import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from tests.simulation.world import World


class _Now:
    """The world that the functions of this process run in at the moment."""

    world: World


NOW = _Now()


class Client:
    """boto3's client of one service."""

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=ConditionalCheckFailedException,
        ConflictException=ConflictException,
        ResourceNotFoundException=ResourceNotFoundException,
        ValidationException=ValidationException,
        ExecutionAlreadyExists=ExecutionAlreadyExists,
        TaskDoesNotExist=TaskDoesNotExist,
        TaskTimedOut=TaskDoesNotExist,
        InvalidToken=TaskDoesNotExist,
    )

    def __init__(self, service: str, again: bool) -> None:
        self._service = service
        self._again = again

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        found = partial(self._call, operation)
        self.__dict__[operation] = found
        return found

    def _call(self, operation: str, **arguments: Any) -> Any:
        return NOW.world.call(self._service, operation, arguments, again=self._again)


CLIENTS: dict[tuple[str, int], Client] = {}


def client(service: str, *, attempts: int = 6) -> Client:
    """`attempts`: how often botocore sends a call; 1: never again."""
    if (service, attempts) not in CLIENTS:
        CLIENTS[service, attempts] = Client(service, attempts > 1)
    return CLIENTS[service, attempts]


def now_us() -> int:
    fiber = running()
    return NOW.world.hub.now + (fiber.process.skew if fiber is not None else 0)


def clock() -> int:
    """Epoch ms, as the process that asks sees it."""
    return now_us() // MS


def sleep(seconds: float) -> None:
    NOW.world.hub.sleep(round(seconds * SECOND))


def random_uuid() -> uuid.UUID:
    return uuid.UUID(int=NOW.world.faults.random.getrandbits(128), version=4)


SHIMS: dict[int, Any] = {
    id(threading): SimpleNamespace(Thread=Thread, Lock=threading.Lock, RLock=threading.RLock),
    id(futures.ThreadPoolExecutor): ThreadPoolExecutor,
    id(uuid): SimpleNamespace(uuid4=random_uuid, UUID=uuid.UUID),
    id(time): SimpleNamespace(
        time=lambda: now_us() / SECOND,
        time_ns=lambda: now_us() * 1000,
        monotonic=lambda: now_us() / SECOND,
        perf_counter=lambda: now_us() / SECOND,
        sleep=sleep,
    ),
}
RANDOM_NAMES = {
    "randbits": lambda bits: NOW.world.faults.random.getrandbits(bits),
    "token_bytes": lambda size: NOW.world.faults.random.randbytes(size),
    "token_hex": lambda size=32: NOW.world.faults.random.randbytes(size).hex(),
    "token_urlsafe": lambda size=32: NOW.world.faults.random.randbytes(size).hex(),
    "choice": lambda choices: NOW.world.faults.choose(choices),
    "SystemRandom": lambda: NOW.world.faults.random,
}


SMALL = (
    ("core.workflows.dag", "FAN_IN", 3),
    ("core.workflows.tallies", "FAN_IN", 3),
    ("workflow.run_steps", "FAN_IN", 3),
    ("workflow.run_steps", "PAGE", 4),
    ("core.workflows.run", "INDEXES_IN_RECORD", 2),
    ("core.workflows.run", "INDEXES_IN_CHUNK", 2),
)
"""A workflow of eight nodes has joins, levels of tallies, chunks and pages, as one of thousands has."""


class Router:
    """What Powertools' resolver keeps of the request that it works on."""

    def __init__(self, app: Any) -> None:
        from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

        self.base = BaseRouter
        self.app = app

    def current(self) -> tuple[Any, ...]:
        base = self.base.__dict__
        return base.get("current_event"), base.get("lambda_context"), dict(self.app.context)

    def put(self, kept: tuple[Any, ...]) -> None:
        self.base.current_event, self.base.lambda_context = kept[:2]
        self.app.context.clear()
        self.app.context.update(kept[2])


class Installed:
    """The seams as they are led into the simulation, until `uninstall`."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        self.entries: dict[str, Callable[..., Any]] = {}
        self.builders: dict[str, Callable[[], Any]] = {}
        before = dict(os.environ)
        self.undo.append(lambda: (os.environ.clear(), os.environ.update(before)))
        self._level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        # All of them now: one that is imported later, by need, would keep what it finds then.
        for found in pkgutil.walk_packages(functions.__path__, "functions."):
            if found.name.split(".")[1] in PACKAGES:
                importlib.import_module(found.name)
        modules = [importlib.import_module(name) for name in sorted(set(MODULES.values()))]
        wiring = importlib.import_module("functions.runtime.wiring")
        clients = importlib.import_module("functions.aws.clients")
        shims = dict(SHIMS)
        shims[id(clients.client)] = client
        shims[id(wiring.clock)] = clock
        shims[id(wiring.registry)] = handlers.registry
        kept = (clients.client, wiring.clock, wiring.registry)  # so that no id is used again
        self.undo.append(lambda: kept and None)
        for name, module in list(sys.modules.items()):
            if name.startswith("functions.") and not name.startswith("functions.tasks."):
                self._shim(module, shims)
        metrics = importlib.import_module("functions.runtime.metrics")
        self._set(metrics, "sys", SimpleNamespace(stdout=Nowhere()))
        documents = importlib.import_module("functions.store.documents")
        self._set(documents, "ITEM_BYTES", 1_000)
        self._set(documents, "DEFINITION_ITEM_BYTES", 3_000)
        for module, name, small in SMALL:
            self._set(importlib.import_module(f"functions.{module}"), name, small)
        self._set(importlib.import_module("functions.worker.handler"), "Executor", handlers.SimulatedExecutor)
        for function, name in MODULES.items():
            self.entries[function] = sys.modules[name].handler
            self.builders[function] = sys.modules[name].services.__wrapped__
        for module in modules:
            self._set(module, "services", services)
        self.router = Router(sys.modules[MODULES["api"]].app)

    def _shim(self, module: ModuleType, shims: dict[int, Any]) -> None:
        for name, value in list(vars(module).items()):
            if id(value) in shims:
                self._set(module, name, shims[id(value)])
            elif getattr(value, "__name__", "") == "secrets" and isinstance(value, ModuleType):
                self._set(module, name, SimpleNamespace(**RANDOM_NAMES))
            elif name in RANDOM_NAMES and getattr(value, "__module__", "") in ("secrets", "random"):
                self._set(module, name, RANDOM_NAMES[name])

    def _set(self, module: ModuleType, name: str, value: Any) -> None:
        before = getattr(module, name)
        self.undo.append(lambda: setattr(module, name, before))
        setattr(module, name, value)

    def assemble(self, function: str) -> Any:
        """What a new sandbox of the function makes of its environment."""
        for name, value in environment(function).items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        made = self.builders[function]()
        if hasattr(made, "exit"):
            object.__setattr__(made, "exit", exit_process)
        return made

    def uninstall(self) -> None:
        for undo in reversed(self.undo):
            undo()
        logging.disable(self._level)


class Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def exit_process() -> None:
    """`os._exit` of an invocation."""
    fiber = running()
    assert fiber is not None
    NOW.world.trace(fiber.process.name, "exits")
    fiber.process.die()


def services() -> Any:
    """Of the sandbox that the running invocation is in."""
    fiber = running()
    assert fiber is not None
    return fiber.process.sandbox


_installed: list[Installed] = []


def install() -> None:
    if not _installed:
        _installed.append(Installed())
        # All that was imported is there to stay: no collection looks at it again.
        gc.collect()
        gc.freeze()


def uninstall() -> None:
    if _installed:
        _installed.pop().uninstall()
        gc.unfreeze()


def installed() -> Installed:
    return _installed[0]
