"""The local system: the stack of a cloud assembly, running.

    with LocalSystem.start() as system:
        httpx.post(f"{system.url}/tasks", json={...})
        system.clock.advance(30 * 86_400)

Everything but the functions runs on one event loop in a thread of this process: moto, the HTTP API, the event
sources, the schedules. So no locks are needed, and two requests never interleave. moto's state and its clock are
global: one system per process at a time. Several processes may each run one.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import boto3
from botocore.config import Config

from local import updates
from local.aws import moto_backends, moto_patches, moto_state, provisioning
from local.aws.calls import AwsCall
from local.aws.principals import Principal, Principals
from local.clock import Clock, VirtualTimers
from local.custom_resources import CustomResources
from local.endpoints.api_servers import ApiServers
from local.endpoints.aws import AwsEndpoint, Mail
from local.event_sources.wiring import EventSources
from local.functions.deployed import DeployedFunctions
from local.functions.function import Function
from local.http_server import Response, Server
from local.identity.issuer import DEFAULT_TTL_SECONDS, Issuer
from local.step_functions.executions import Executions
from local.step_functions.state_machines import Execution
from local.template import cloud_assembly
from local.template.intrinsics import ACCOUNT, REGION
from local.template.stack import Stack
from local.time_stepper import TimeStepper
from local.usage import FinishedInvocation, Usage

T = TypeVar("T")

TTL_SECONDS = 60.0
_running_system = threading.Lock()


class PortTaken(Exception):
    """The requested port is in use."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on 127.0.0.1 is taken; choose another one")
        self.port = port


class LocalSystem:
    """A running stack. Make it with `start`, end it with `close` or as a context manager."""

    def __init__(
        self, assembly: cloud_assembly.CloudAssembly, *, port: int, directory: Path, report: Callable[[str], None]
    ) -> None:
        self.clock = Clock()
        self.usage = Usage()
        self.principals = Principals()
        self.admin = self.add_admin("admin")
        """The administrator: its keys may do everything, for as long as this system runs."""
        self.directory = directory
        self._assembly = assembly
        self._port = port
        self._report = report
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local-system", daemon=True)
        self._aws_server: Server | None = None
        self._api_servers: ApiServers | None = None
        self._deployed: DeployedFunctions | None = None
        self._sources: EventSources | None = None
        self._executions: Executions | None = None
        self.custom_resources = CustomResources()
        self._expiry_task: asyncio.Task[None] | None = None
        self._remove: Path | None = None
        self.url = ""
        """Of the HTTP API that takes tokens, else of the one that takes signatures."""
        self.after_reset: Callable[[], object] = lambda: None
        """Called in a thread of its own after a reset: it may call this system's AWS."""
        self.iam_url: str | None = None
        """Of the HTTP API that takes signatures; None for a template without one."""
        self.endpoint = ""
        """Of AWS: for boto3's `endpoint_url`."""

    @classmethod
    def start(
        cls,
        *,
        port: int = 0,
        environment: str = "dev",
        directory: Path | None = None,
        assembly: cloud_assembly.CloudAssembly | None = None,
        report: Callable[[str], None] = lambda line: None,
        wait: bool = True,
        seed: int | None = None,
    ) -> Self:
        """Synthesize (unless `assembly` is given), provision, listen.

        `port` 0 is any free one. `directory` is for logs; by default one under `.local` that is removed at the end.
        `report` gets a line for each mail, each failed invocation, each denied call. `wait`: until each function has
        a warm process. `seed` decides how late Scheduler fires within its minute.
        Raises PortTaken, AssemblyError, TemplateError.
        """
        if assembly is None:
            cloud_assembly.synthesize(environment)
            assembly = cloud_assembly.load(cloud_assembly.PROJECT / "cdk.out", f"Taskyard-{environment}")
        if not _running_system.acquire(blocking=False):
            raise RuntimeError("one local system per process at a time")
        remove = None
        if directory is None:
            (cloud_assembly.PROJECT / ".local").mkdir(exist_ok=True)
            directory = remove = Path(tempfile.mkdtemp(prefix="run-", dir=cloud_assembly.PROJECT / ".local"))
        system = cls(assembly, port=port, directory=directory, report=report)
        system._remove = remove
        system._thread.start()
        try:
            system.run(system._start(random.Random(seed)))
            system.clock.step_with(system._advance_clock)
            if wait:
                system.run(system._wait_until_warm())
        except BaseException:
            system.close()
            raise
        return system

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The interface of tests, the demo and the bench.

    @property
    def template(self) -> dict[str, Any]:
        return self._assembly.template

    @property
    def calls(self) -> Usage:
        """AWS calls by (caller, service, operation), write and read units by caller; `reset()` starts anew."""
        return self.usage

    @property
    def invocations(self) -> list[FinishedInvocation]:
        """The latest finished invocations, oldest first."""
        return list(self.usage.invocations)

    @property
    def fork_server_pids(self) -> list[int]:
        """Process ids of the fork servers, whose children are the function processes."""
        return [fork_server.pid for fork_server in self._deployed.fork_servers.values()] if self._deployed else []

    @property
    def functions(self) -> Mapping[str, Function]:
        """By ARN."""
        return self._deployed if self._deployed is not None else {}

    def mail(self) -> list[Mail]:
        """The mails that SES accepted, oldest first."""
        return list(self._aws.mail)

    def token(
        self, role: str = "admin", tenant: str | None = ACCOUNT, ttl_seconds: float = DEFAULT_TTL_SECONDS
    ) -> str | None:
        """A token for the HTTP API at `url`; None when the template has none that takes tokens. Raises
        InvalidTokenRequest."""
        minter = self._api_servers.minter if self._api_servers else None
        return minter.mint(role, tenant, ttl_seconds).token if minter else None

    @property
    def issuer(self) -> Issuer | None:
        """Who issues the tokens of the HTTP API at `url`; None when the template has none that takes tokens."""
        return self._api_servers.issuer if self._api_servers else None

    @property
    def token_secret(self) -> str:
        """Who has it may have tokens made: `POST /_local/token`, with it as the bearer token."""
        return self._api_servers.token_secret if self._api_servers else ""

    def executions(self) -> list[Execution]:
        """Executions of all state machines: those that ended last, and those that run."""
        return self._executions.all() if self._executions else []

    def aws(self, service: str) -> Any:
        """A boto3 client of the local AWS, as administrator."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.admin.access_key,
            aws_secret_access_key=self.admin.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def add_admin(self, label: str) -> Principal:
        """One more administrator, whose calls are counted under `label`."""
        return self.principals.add(label, f"arn:aws:iam::{ACCOUNT}:user/{label}", None)

    def intercept(self, interceptor: Callable[[str, AwsCall, Callable[[], Response]], Response]) -> None:
        """Answer calls by `interceptor(caller's label, call, answer)`, on the system's loop, from now on. `answer()` is
        moto's response; the interceptor may return another one, a throttle for instance."""
        self._aws.interceptor = interceptor

    def logs(self, function: str) -> list[str]:
        """The log lines of a function (by label: `api`, `worker-high`), EMF lines included."""
        path = self.directory / "logs" / f"{function}.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function by label; its answer. Raises FunctionFailed."""
        result = self.run(
            next(f for f in self.functions.values() if f.spec.label == function).invoke(json.dumps(event).encode())
        )
        if result.failed:
            raise FunctionFailed(function, json.loads(result.payload))
        return json.loads(result.payload)

    def settle(self, timeout: float = 30.0, *, windows: bool = True) -> bool:
        """Wait until all work that is not scheduled for a later time is done. False when that takes more than `timeout`
        real seconds. With `windows`, a stream's batching window counts as work."""
        return self.run(self._stepper.settle(timeout, windows=windows))

    def update(self, assembly: cloud_assembly.CloudAssembly) -> list[str]:
        """Take a changed template over: functions with their code and roles, and new resources. State stays. What
        takes a restart is returned, one line each, and nothing is taken over then. Raises TemplateError."""
        return self.run(self._update(assembly))

    def deploy_code(self, roots: Mapping[Path, Path]) -> None:
        """Run the functions whose code is a key of `roots` from the directory that is its value."""
        self.run(self._deploy_code(roots))

    def observe_tables(self, observe: Callable[[dict[str, Any]], None]) -> None:
        """`observe` gets each record of the streams of all tables, on the system's loop."""
        self.run(self._observe_tables(observe))

    def reset(self) -> None:
        """Empty tables, queues and buckets, forget mails, and delete the schedules that tasks made."""
        self.run(self._reset())

    def delete_expired(self) -> int:
        """Delete items past their time to live, as TTL does once a minute and after `clock.advance`. Returns their
        number."""
        return self.run(self._delete_expired())

    def close(self) -> None:
        """Stop within two seconds, also while functions run. Idempotent."""
        if not self._thread.is_alive():
            return
        self.clock.step_with(lambda seconds, step: self.clock.jump(seconds))
        try:
            self.run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            moto_backends.reset()
            self.clock.close()
            if self._remove:
                shutil.rmtree(self._remove, ignore_errors=True)
            _running_system.release()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the system's loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # Runs on the system's loop.

    async def _start(self, randomness: random.Random) -> None:
        moto_patches.apply(self.clock)
        moto_backends.reset()
        self.timers = VirtualTimers(self.clock, self._loop)
        self._stepper = TimeStepper(self.clock, self.timers, busy=self._busy, delete_expired=self._delete_expired)
        self._aws = AwsEndpoint(self.principals, self.usage, self.clock, self._report)
        self._aws_server = await Server.start(self._aws.serve)
        self.endpoint = f"http://{self._aws_server.address}"
        try:
            self._api_servers = servers = await ApiServers.start(self.template, self._port)
        except OSError:
            raise PortTaken(self._port) from None
        self.url, self.iam_url = servers.url, servers.iam_url
        self.stack = Stack(self._assembly, self.endpoint, servers.urls, servers.issuer_url)
        provisioning.provision(self.stack)
        self._deployed = DeployedFunctions(
            endpoint=self.endpoint,
            principals=self.principals,
            clock=self.clock,
            timers=self.timers,
            usage=self.usage,
            directory=self.directory,
            report=self._report,
        )
        self._deployed.make(self.stack)
        self._aws.functions = self.functions
        self._sources = EventSources(
            self.stack,
            self.functions,
            self._aws,
            clock=self.clock,
            timers=self.timers,
            usage=self.usage,
            randomness=randomness,
        )
        self._executions = Executions(
            self.stack,
            self.functions,
            clock=self.clock,
            timers=self.timers,
            report=self._report,
            randomness=randomness,
        )
        self._aws.executions = self._executions
        servers.serve(
            self.stack,
            self.functions,
            principals=self.principals,
            clock=self.clock,
            mail=lambda: self._aws.mail,
            report=self._report,
            controls={"advance": self._control_advance, "settle": self._control_settle, "reset": self._reset},
        )
        for line in self.stack.notes.lines:
            self._report(line)
        await self.custom_resources.deploy(self.stack, self.functions)
        self._expiry_task = self._loop.create_task(self._delete_expired_regularly())

    async def _update(self, assembly: cloud_assembly.CloudAssembly) -> list[str]:
        assert self._deployed is not None
        assert self._sources is not None
        assert self._api_servers is not None
        urls, issuer = self._api_servers.urls, self._api_servers.issuer_url
        try:
            new = Stack(assembly, self.endpoint, urls, issuer)
        except KeyError as api:
            return [f"the HTTP API {api} is new"]
        reasons = updates.update(self.stack, new, functions=self._deployed, sources=self._sources, report=self._report)
        if not reasons:
            self.stack, self._assembly = new, assembly
            await self.custom_resources.deploy(new, self.functions)
        return reasons

    async def _deploy_code(self, roots: Mapping[Path, Path]) -> None:
        assert self._deployed is not None
        updates.deploy_code(self.stack, roots, self._deployed)

    async def _observe_tables(self, observe: Callable[[dict[str, Any]], None]) -> None:
        assert self._sources is not None
        self._sources.observe(observe)

    async def _control_advance(self, seconds: float) -> None:
        await self._stepper.advance(float(seconds), step=True)

    async def _control_settle(self, timeout: float = 30.0) -> bool:
        return await self._stepper.settle(float(timeout), windows=True)

    async def _reset(self) -> None:
        await self._stepper.settle(30.0, windows=True)
        moto_state.empty(self.stack)
        self._aws.mail.clear()
        self.timers.run()
        self.custom_resources.deployed.clear()
        await self.custom_resources.deploy(self.stack, self.functions)
        await asyncio.to_thread(self.after_reset)

    async def _wait_until_warm(self) -> None:
        """Wait until each function has a process that waits for work, or failed to start one."""
        while any(function.starting for function in self.functions.values()):
            await asyncio.sleep(0.01)

    async def _delete_expired(self) -> int:
        return self._sources.delete_expired() if self._sources else 0

    async def _delete_expired_regularly(self) -> None:
        while True:
            await asyncio.sleep(TTL_SECONDS)
            await self._delete_expired()

    def _busy(self, windows: bool) -> bool:
        return (
            (self._api_servers is not None and self._api_servers.in_flight > 0)
            or any(function.busy for function in self.functions.values())
            or (self._sources is not None and self._sources.busy(windows=windows))
            or (self._executions is not None and self._executions.busy)
        )

    def _advance_clock(self, seconds: float, step: bool) -> None:
        self.run(self._stepper.advance(seconds, step))

    async def _stop(self) -> None:
        for server in (self._aws_server, self._api_servers):
            if server:
                server.close()
        if self._sources:
            self._sources.close()
        if self._executions:
            self._executions.close()
        if self._deployed:
            self._deployed.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


class FunctionFailed(Exception):
    """An invocation failed. `error` is the runtime's error object: errorType, errorMessage, stackTrace."""

    def __init__(self, function: str, error: dict[str, Any]) -> None:
        super().__init__(f"{function}: {error.get('errorType')}: {error.get('errorMessage')}")
        self.error = error


def print_line(line: str) -> None:
    """A `report` that prints to stderr, unbuffered."""
    print(line, file=sys.stderr, flush=True)
