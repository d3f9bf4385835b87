"""A Lambda function: its pool of warm processes, each of which runs one invocation at a time."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.clock import Clock, VirtualTimer, VirtualTimers
from local.functions.fork_server import BYTECODE, ForkServer
from local.http_server import Request, Response, Server
from local.template.intrinsics import REGION
from local.template.stack import FunctionSpec
from local.usage import FinishedInvocation as Finished
from local.usage import Usage

_RUNTIME = "/2018-06-01/runtime/"
CONCURRENCY = 4  # processes per function at most; two cores gain nothing from more
INIT_SECONDS = 30.0  # Lambda allows 10; a laptop without compiled bytecode is slower


@dataclass(frozen=True)
class InvocationResult:
    """`payload` is the handler's return value as JSON, or the error object when `failed`."""

    payload: bytes
    failed: bool
    request_id: str


class _Invocation:
    def __init__(self, payload: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.request_id = str(uuid.uuid4())
        self.payload = payload
        self.done: asyncio.Future[InvocationResult] = loop.create_future()
        self.started = 0.0
        self.wall_started = 0.0
        self.deadline: VirtualTimer | None = None


class _Process:
    """One function process and its Runtime API."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.id = 0
        self.server: Server | None = None
        self.key = secrets.token_urlsafe(16)
        """Secret prefix of its Runtime API's paths: other processes can find the port."""
        self.parked: asyncio.Future[Response] | None = None
        self.running: _Invocation | None = None
        self.initialized = False
        self.init_error: bytes | None = None
        self.init_deadline: VirtualTimer | None = None
        self.gone = False
        self.fork_server = function.fork_server
        self.outdated = False
        """Whether it runs code that has been replaced: it ends after its invocation."""

    def api(self, request: Request) -> Response | asyncio.Future[Response]:
        """The Lambda Runtime API."""
        prefix = f"/{self.key}{_RUNTIME}"
        if not request.path.startswith(prefix):
            return Response(403, b'{"errorMessage":"not your Runtime API","errorType":"Forbidden"}')
        path = request.path.removeprefix(prefix)
        if path == "invocation/next":
            return self._next()
        if path == "init/error":
            self.init_error = request.body
            return Response(202)
        _, request_id, outcome = ([*path.split("/"), "", ""])[:3]
        running = self.running
        if running is None or running.request_id != request_id or outcome not in ("response", "error"):
            return Response(400, b'{"errorMessage":"no such invocation","errorType":"InvalidRequestID"}')
        self.running = None
        self.function.finish(running, request.body, failed=outcome == "error")
        return Response(202)

    def assign(self, invocation: _Invocation) -> None:
        """Give an invocation to this process, which waits for one."""
        assert self.parked is not None
        self.running = invocation
        spec = self.function.spec
        deadline = self.function.begin(invocation, self)
        headers = [
            ("lambda-runtime-aws-request-id", invocation.request_id),
            ("lambda-runtime-deadline-ms", str(deadline)),
            ("lambda-runtime-invoked-function-arn", spec.arn),
            ("lambda-runtime-trace-id", f"Root=1-{int(invocation.started):08x}-{invocation.request_id[-12:]:0>24}"),
            ("content-type", "application/json"),
        ]
        parked, self.parked = self.parked, None
        parked.set_result(Response(200, invocation.payload, headers))

    def _next(self) -> asyncio.Future[Response]:
        parked = self.parked = asyncio.get_running_loop().create_future()
        self.function.process_ready(self)
        return parked


class Function:
    """A function and its processes, which start on demand and stay warm."""

    def __init__(
        self,
        spec: FunctionSpec,
        *,
        fork_server: ForkServer,
        clock: Clock,
        timers: VirtualTimers,
        usage: Usage,
        directory: Path,
        credentials: dict[str, str],
        report: Callable[[str], None],
    ) -> None:
        self.spec = spec
        self.log_file = directory / "logs" / f"{spec.label}.log"
        self.fork_server = fork_server
        self._clock = clock
        self._timers = timers
        self._usage = usage
        self.credentials = credentials
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._processes: set[_Process] = set()
        self._idle: list[_Process] = []
        self._starting = 0
        self._waiting: deque[_Invocation] = deque()

    @property
    def concurrency(self) -> int:
        """Invocations at once, at most."""
        reserved = self.spec.reserved_concurrency
        return CONCURRENCY if reserved is None else min(CONCURRENCY, reserved)

    @property
    def busy(self) -> bool:
        return bool(self._waiting) or any(process.running for process in self._processes)

    @property
    def starting(self) -> bool:
        return self._starting > 0

    async def invoke(self, payload: bytes) -> InvocationResult:
        """Run the handler once. Waits for a process when all are busy."""
        invocation = _Invocation(payload, self._loop)
        self._waiting.append(invocation)
        self._assign_waiting()
        return await invocation.done

    def prestart(self) -> None:
        """Have one process ready before the first invocation."""
        if not self._processes:
            self._start()

    def deploy(self, spec: FunctionSpec, fork_server: ForkServer) -> None:
        """Run this code and configuration from the next invocation on; running ones end on what they began with."""
        self.spec, self.fork_server = spec, fork_server
        for process in self._processes:
            process.outdated = True
        for process in list(self._idle):
            self._end(process)
        self._start()

    def _end(self, process: _Process) -> None:
        self._remove(process)
        process.fork_server.kill(process.id)

    def close(self) -> None:
        for process in self._processes:
            if process.server:
                process.server.close()

    def _assign_waiting(self) -> None:
        while self._waiting and self._idle:
            self._idle.pop().assign(self._waiting.popleft())
        while self._starting < len(self._waiting) and len(self._processes) < self.concurrency:
            self._start()

    def _start(self) -> None:
        process = _Process(self)
        self._processes.add(process)
        self._starting += 1
        self._loop.create_task(self._spawn(process))

    async def _spawn(self, process: _Process) -> None:
        process.server = await Server.start(process.api)
        env = self._environment(f"{process.server.address}/{process.key}")
        spec = self.spec
        process.init_deadline = self._timers.after(INIT_SECONDS, lambda: process.fork_server.kill(process.id))
        process.id = process.fork_server.spawn(
            spec.handler, spec.root, self.log_file, env, lambda status: self._on_process_exit(process, status)
        )

    def _environment(self, address: str) -> dict[str, str]:
        """The variables of Lambda and of the template; none of the developer's own environment."""
        spec = self.spec
        return {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": str(self.log_file.absolute()),  # where its lines are
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": str(spec.root),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(spec.root),
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
            "TZ": ":UTC",
            "_HANDLER": spec.handler,
            **self.credentials,
            **spec.environment,
            **local_environment(spec.environment),
        }

    def process_ready(self, process: _Process) -> None:
        """Called when a process waits for an invocation."""
        if process.gone:
            return
        if process.outdated:
            self._end(process)
            self._assign_waiting()
            return
        if not process.initialized:
            process.initialized = True
            self._starting -= 1
            if process.init_deadline:
                process.init_deadline.cancel()
        self._idle.append(process)
        self._assign_waiting()

    def begin(self, invocation: _Invocation, process: _Process) -> int:
        """Start the time-out of an invocation. Returns its deadline in epoch ms."""
        invocation.started, invocation.wall_started = self._clock.now(), time.monotonic()
        invocation.deadline = self._timers.after(self.spec.timeout, lambda: self._time_out(invocation, process))
        return round((invocation.started + self.spec.timeout) * 1000)

    def finish(self, invocation: _Invocation, payload: bytes, *, failed: bool) -> None:
        if invocation.deadline:
            invocation.deadline.cancel()
        if invocation.done.done():
            return
        error = payload.decode(errors="replace") if failed else None
        self._usage.invocations.append(
            Finished(
                self.spec.label,
                invocation.request_id,
                invocation.started,
                time.monotonic() - invocation.wall_started,
                error,
            )
        )
        if error is not None:
            self._report(f"{self.spec.label} failed: {_error_summary(error)} (log: {self.log_file})")
        invocation.done.set_result(InvocationResult(payload, failed, invocation.request_id))

    def _time_out(self, invocation: _Invocation, process: _Process) -> None:
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        message = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z {invocation.request_id} "
        message += f"Task timed out after {self.spec.timeout:.2f} seconds"
        self._end(process)
        self.finish(invocation, _error_object("Sandbox.Timedout", message), failed=True)
        self._assign_waiting()

    def _on_process_exit(self, process: _Process, status: int) -> None:
        """Called when a process ended. Data that it sent just before may still be in a socket: read that first."""
        self._loop.call_later(0.02 if process.running else 0, self._process_ended, process, status)

    def _process_ended(self, process: _Process, status: int) -> None:
        """Fail the invocation that the process ran, or that waited for it to start."""
        was_starting = not process.initialized
        self._remove(process)
        failed = process.running
        if failed is None and was_starting and self._waiting:
            failed = self._waiting.popleft()
            self.begin(failed, process)
        code = os.waitstatus_to_exitcode(status)
        how = f"signal: {-code}" if code < 0 else f"exit status {code}"
        if failed is not None:
            error = process.init_error or _error_object(
                "Runtime.ExitError", f"RequestId: {failed.request_id} Error: Runtime exited with error: {how}"
            )
            self.finish(failed, error, failed=True)
        elif was_starting:
            error_text = (process.init_error or b"").decode(errors="replace")
            self._report(
                f"{self.spec.label} does not start: {_error_summary(error_text) or how} (log: {self.log_file})"
            )
        self._assign_waiting()

    def _remove(self, process: _Process) -> None:
        if process.gone:
            return
        process.gone = True
        self._starting -= not process.initialized
        self._processes.discard(process)
        if process in self._idle:
            self._idle.remove(process)
        if process.init_deadline:
            process.init_deadline.cancel()
        if process.parked:
            process.parked.cancel()  # it gets no more invocations
        if process.server:
            process.server.close()


def local_environment(environment: dict[str, str]) -> dict[str, str]:
    """The one variable that differs from the template's: receivers under development are on the loopback, which no
    deployed function may call."""
    return {"WEBHOOK_REACH": "local"} if environment.get("WEBHOOK_REACH") == "any" else {}


def _error_object(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _error_summary(error: str) -> str:
    """The error object of a runtime in one line."""
    try:
        parsed: dict[str, Any] = json.loads(error)
    except ValueError:
        return error[:200]
    return f"{parsed.get('errorType')}: {str(parsed.get('errorMessage'))[:300]}"
