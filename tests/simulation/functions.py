"""The real functions: their entry points, with the seams (clients, clock, threads, ids) led to the simulated world.

What is replaced, and nothing else: `functions.aws.clients.client`, `wiring.clock`, `wiring.registry`, the thread and
time-related modules that functions import, and `assembled` of each entry point (one assembly per function, as one
Lambda has its own process). All of it is undone by `uninstall`.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import pkgutil
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from functools import cache, partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import functions
from infra.config import CONFIGS
from tests.simulation import handlers
from tests.simulation.dynamodb import ConditionalCheckFailedException
from tests.simulation.fibers import MS, SECOND, Killed, Process, Thread, ThreadPoolExecutor, nothing, running
from tests.simulation.timers import ConflictException, ResourceNotFoundException

if TYPE_CHECKING:
    from tests.simulation.world import World

CONFIG = CONFIGS["dev"]
LANES = tuple(lane.name for lane in CONFIG.lanes)
TABLE, BUCKET, GROUP, ACCOUNT = "taskyard", "documents", "timers", "123456789012"
MODULES = {
    "api": "functions.api.handler",
    **{f"worker-{lane}": "functions.worker.handler" for lane in LANES},
    "dead-letter": "functions.dead_letter.handler",
    "observer": "functions.observer.handler",
}
PACKAGES = {"core", "aws", "store", "tasks", "intake", "runtime", *(name.split(".")[1] for name in MODULES.values())}
TIMEOUTS = {
    "api": 29,
    **dict.fromkeys((f"worker-{lane}" for lane in LANES), CONFIG.worker_timeout_seconds),
    "dead-letter": 30,
    "observer": 30,
}
"""Seconds, as infra/ sets them."""


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


class Lambda(Process):
    """One invocation."""

    def __init__(self, world: World, function: str, number: int) -> None:
        super().__init__(world.hub, f"{function}#{number}")
        self.function = function
        self.ends_at = world.hub.now + TIMEOUTS[function] * SECOND
        self.over = False
        """Returned, failed, killed or past its end: Lambda counts on nothing from it any more."""
        self.spared = False
        self.aws_request_id = str(random_uuid())
        self.function_name = function
        self.memory_limit_in_mb = 512
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
        self.world = world
        self.sandbox: Any = None
        self.writes: list[tuple[str, Any, Any]] = []
        """Task records that this invocation wrote: operation, before, after."""
        self.unsure = False
        """One of its calls was applied and its answer lost."""
        self.frozen = False
        self._router: tuple[Any, ...] | None = None

    def enter(self) -> None:
        """Powertools keeps the request of a process in its class: requests run side by side here."""
        if self.function == "api":
            router = installed().router
            self._before = router.current()
            if self._router is not None:
                router.put(self._router)

    def leave(self) -> None:
        if self.function == "api":
            router = installed().router
            self._router = router.current()
            router.put(self._before)

    @property
    def alive(self) -> bool:
        """Runs, and by right."""
        return not self.dead and not self.over and self.hub.now < self.ends_at

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self.ends_at - self.hub.now) // MS)


class Functions:
    """Starts invocations in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = 0
        self.idle: dict[str, list[Any]] = {}
        """Warm sandboxes, with what they remember."""

    def invoke(
        self, function: str, event: dict[str, Any], done: Callable[[Any], None], what: str, *, spared: bool = False
    ) -> Lambda:
        """`done(answer)` once, when the invocation ends; answer None: it failed. `spared`: no fault kills it."""
        world = self.world
        self.number += 1
        process = Lambda(world, function, self.number)
        process.skew = world.faults.skew_of(function)
        process.spared = spared
        skew = f", clock {process.skew / SECOND:+.2f} s" if process.skew else ""
        world.trace(process.name, f"starts: {what}{skew}")
        world.count("invocations")
        entry = installed().entries[function]
        idle = self.idle.setdefault(function, [])
        process.sandbox = idle.pop() if idle else installed().assemble(function)

        def end(answer: Any) -> None:
            if not process.over:
                process.over = True
                done(answer)

        def ended() -> None:
            main.after = nothing
            process.dead = True
            if not isinstance(main.error, Killed) and not process.over:
                idle.append(process.sandbox)
            if main.error is None and main.result is not None:
                if not process.over and not world.faults.happens("invocation failed", process.name):
                    world.trace(process.name, "returns")
                    # JSON, as Lambda would: nothing of it is shared.
                    end(json.loads(json.dumps(main.result)))
            elif isinstance(main.error, Killed) or main.error is None:
                world.trace(process.name, "is killed")
                world.count("deaths")
            else:
                world.trace(process.name, f"raises {main.error!r}")
                world.raised(function, main.error)
            process.kill()
            end(None)

        main = world.hub.spawn(process, lambda: entry(event, process))
        main.after = ended

        def time_out() -> None:
            if main.ended or process.dead:
                return
            extra = world.faults.zombie_for(process.name, frozen=process.frozen)
            world.trace(process.name, f"is past its end{', runs on as a zombie' if extra else ', killed'}")
            end(None)
            world.hub.after(extra, process.kill)

        world.hub.at(process.ends_at, time_out)
        return process


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
        modules = [importlib.import_module(name) for name in sorted(set(MODULES.values())) if exists(name)]
        wiring = importlib.import_module("functions.runtime.wiring")
        clients = importlib.import_module("functions.aws.clients")
        shims = dict(SHIMS)
        shims[id(clients.client)] = client
        shims[id(wiring.clock)] = clock
        shims[id(wiring.registry)] = handlers.registry(wiring.registry())
        kept = (clients.client, wiring.clock, wiring.registry)  # so that no id is used again
        self.undo.append(lambda: kept and None)
        for name, module in list(sys.modules.items()):
            if name.startswith("functions.") and not name.startswith("functions.tasks."):
                self._shim(module, shims)
        metrics = importlib.import_module("functions.runtime.metrics")
        self._set(metrics, "sys", SimpleNamespace(stdout=Nowhere()))
        documents = importlib.import_module("functions.store.documents")
        self._set(documents, "ITEM_BYTES", 1_000)
        for function, name in MODULES.items():
            if exists(name):
                self.entries[function] = sys.modules[name].handler
                self.builders[function] = sys.modules[name].assembled.__wrapped__
        for module in modules:
            self._set(module, "assembled", assembled)
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


def assembled() -> Any:
    """Of the sandbox that the running invocation is in."""
    fiber = running()
    assert fiber is not None
    return fiber.process.sandbox


_installed: list[Installed] = []


def install() -> None:
    if not _installed:
        _installed.append(Installed())


def uninstall() -> None:
    if _installed:
        _installed.pop().uninstall()


def installed() -> Installed:
    return _installed[0]


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


@cache
def environment(function: str) -> dict[str, str]:
    """As the template sets it."""
    lanes = {
        lane: {
            "url": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{lane}",
            "arn": queue_arn(lane),
            "deadLetterArn": queue_arn(f"{lane}-dead"),
        }
        for lane in LANES
    }
    return {
        "ENVIRONMENT": "dev",
        "TABLE_NAME": TABLE,
        "DOCUMENT_BUCKET": BUCKET,
        "LANES": json.dumps(lanes),
        "TIMER_GROUP": GROUP,
        "TIMER_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/timers",
        "RETENTION_DAYS": str(CONFIG.retention_days),
        "WORKER_TIMEOUT_SECONDS": str(CONFIG.worker_timeout_seconds),
        "LISTING_SHARDS": str(CONFIG.listing_shards),
        "TENANT_FROM": CONFIG.tenant_from,
        "MAIL_FROM": CONFIG.mail_from,
        "RUN_MACHINE_ARN": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:run",
        "NOTIFY_MACHINE_ARN": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:notifications",
        "WEBHOOK_REACH": CONFIG.webhook_reach,
        "SCHEDULE_GROUP": "schedules",
        "SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/schedules",
        "PRODUCER_ARN": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:producer",
        "LANE": function.removeprefix("worker-"),
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_METRICS_NAMESPACE": "Taskyard",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
