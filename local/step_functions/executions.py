"""Step Functions: the template's state machines, and their executions. docs/adr/0008.

An interpreter of our own and not moto's: that one runs each execution in threads, by real time, and calls back over
HTTP. This one runs on the system's loop like everything else, so nothing is locked, as many executions as there are run
side by side, and time-outs, waits and retries go by the virtual clock.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.aws import calls
from local.aws.calls import Call
from local.clock import Clock, Timer, Timers
from local.functions.function import Function
from local.http_server import Response
from local.step_functions.state_machines import Execution, machine_of, machines, new_token, summary, written
from local.step_functions.states_language import (
    TOKEN,
    Retriers,
    StateError,
    chosen,
    evaluated,
    filled,
    look_up,
    matches,
    put,
)
from local.template.intrinsics import ACCOUNT, REGION
from local.template.roles import Denied, Needed
from local.template.stack import Stack

_NAME = re.compile(r"[^\s\x00-\x1f\x7f<>{}\[\]?*\"#%\\^|~`$&,;:/]{1,80}")
PAYLOAD_LIMIT = 256 * 1024
KEPT = 2_000
"""Ended executions that are remembered: their names are used up. AWS remembers them for 90 days."""


@dataclass
class Waiting:
    """A task that waits for its token."""

    execution: Execution
    done: asyncio.Future[Any]
    beat: Callable[[], None]


class Executions:
    """All state machines of the stack. `serve` answers the API, `resource` tells whose permission a call needs."""

    def __init__(
        self,
        stack: Stack,
        functions: dict[str, Function],
        *,
        clock: Clock,
        timers: Timers,
        tell: Callable[[str], None],
        randomness: random.Random,
    ) -> None:
        self._functions = functions
        self._clock = clock
        self._timers = timers
        self._tell = tell
        self._random = randomness
        self._loop = asyncio.get_running_loop()
        self.machines = machines(stack)
        self._running: dict[str, Execution] = {}
        self._ended: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: dict[str, Waiting] = {}

    @property
    def busy(self) -> bool:
        """Whether any execution does something, rather than wait for a token or a time."""
        return any(not (e.parked and not e.parked.done()) for e in self._running.values())

    def all(self) -> list[Execution]:
        """Ended ones first, each in the order of their end or start."""
        return [*self._ended.values(), *self._running.values()]

    def close(self) -> None:
        for execution in self._running.values():
            if execution.work:
                execution.work.cancel()

    # -- the API

    def needs(self, call: Call) -> list[Needed]:
        """For a token: the machine whose execution waits for it."""
        if call.operation.startswith("SendTask"):
            return [Needed(f"states:{call.operation}", machine_of(call.parameters.get("taskToken", "")) or "*")]
        return list(call.needs())

    def serve(self, call: Call) -> Response:
        handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "StartExecution": self._start,
            "DescribeExecution": self._describe,
            "StopExecution": self._stop,
            "ListExecutions": self._list,
            "SendTaskSuccess": lambda p: self._answer(p, json.loads(p["output"])),
            "SendTaskFailure": lambda p: self._answer(p, StateError(p.get("error", ""), p.get("cause", ""))),
            "SendTaskHeartbeat": self._heartbeat,
        }
        if call.operation not in handlers:
            return calls.error("states", "NotImplemented", f"{call.operation} (local runtime)", 501)
        try:
            answer = handlers[call.operation](call.parameters)
        except Refusal as refusal:
            return calls.error("states", refusal.code, str(refusal))
        except ValueError as error:
            return calls.error("states", "InvalidOutput", str(error))
        return Response(200, json.dumps(answer).encode(), [("content-type", "application/x-amz-json-1.0")])

    def _start(self, p: dict[str, Any]) -> dict[str, Any]:
        machine = self.machines.get(p["stateMachineArn"])
        if machine is None:
            raise Refusal("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{p['stateMachineArn']}'")
        name, given = p.get("name") or str(uuid.uuid4()), p.get("input") or "{}"
        if not _NAME.fullmatch(name):
            raise Refusal("InvalidName", f"Invalid Name: '{name}'")
        if len(given.encode()) > PAYLOAD_LIMIT:
            raise Refusal("InvalidExecutionInput", f"an input of at most {PAYLOAD_LIMIT} bytes")
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine.name}:{name}"
        known = self._running.get(arn) or self._ended.get(arn)
        if known is not None and not (known.status == "RUNNING" and known.input == given):
            raise Refusal("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        if known is None:
            try:
                json.loads(given)
            except ValueError:
                raise Refusal("InvalidExecutionInput", "the input is not JSON") from None
            known = self._running[arn] = Execution(arn, name, machine, given, self._clock.now())
            known.work = self._loop.create_task(self._run(known))
        return {"executionArn": arn, "startDate": known.started}

    def _find(self, arn: str) -> Execution:
        found = self._running.get(arn) or self._ended.get(arn)
        if found is None:
            raise Refusal("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return found

    def _describe(self, p: dict[str, Any]) -> dict[str, Any]:
        return {**summary(self._find(p["executionArn"]), full=True)}

    def _stop(self, p: dict[str, Any]) -> dict[str, Any]:
        execution = self._find(p["executionArn"])
        if execution.status == "RUNNING":
            execution.error, execution.cause = p.get("error"), p.get("cause")
            self._end(execution, "ABORTED")
            if execution.work:
                execution.work.cancel()
        return {"stopDate": execution.stopped}

    def _list(self, p: dict[str, Any]) -> dict[str, Any]:
        wanted = p.get("statusFilter")
        shown = [e for e in self.all() if e.machine.arn == p["stateMachineArn"] and wanted in (None, e.status)]
        return {"executions": [summary(e) for e in reversed(shown)][: p.get("maxResults") or 100]}

    def _answer(self, p: dict[str, Any], outcome: Any) -> dict[str, Any]:
        waiting = self._tokens.get(p["taskToken"])
        if waiting is None or waiting.done.done():
            known = machine_of(p["taskToken"]) in self.machines
            raise Refusal("TaskTimedOut", "Task Timed Out") if known else Refusal("InvalidToken", "Invalid Token")
        if isinstance(outcome, StateError):
            waiting.done.set_exception(outcome)
        else:
            waiting.done.set_result(outcome)
        return {}

    def _heartbeat(self, p: dict[str, Any]) -> dict[str, Any]:
        waiting = self._tokens.get(p["taskToken"])
        if waiting is None or waiting.done.done():
            raise Refusal("TaskTimedOut", "Task Timed Out")
        waiting.beat()
        return {}

    # -- running

    async def _run(self, execution: Execution) -> None:
        states = execution.machine.definition["States"]
        name, data = execution.machine.definition["StartAt"], json.loads(execution.input)
        try:
            while name:
                execution.entered.append(name)
                name, data = await self._state(execution, name, states[name], data)
            execution.output = json.dumps(data)
            self._end(execution, "SUCCEEDED")
        except StateError as error:
            execution.error, execution.cause = error.name, error.cause
            self._end(execution, "FAILED")
            self._tell(f"execution {execution.name} of {execution.machine.name} failed: {error}")
        except Exception as error:
            execution.error, execution.cause = "States.Runtime", repr(error)
            self._end(execution, "FAILED")
            self._tell(f"execution {execution.name} of {execution.machine.name} cannot go on: {error!r}")

    def _end(self, execution: Execution, status: str) -> None:
        """What it held is let go: an ended execution is a few hundred bytes, and the oldest are forgotten."""
        execution.status, execution.stopped, execution.parked = status, self._clock.now(), None
        self._running.pop(execution.arn, None)
        self._ended[execution.arn] = execution
        while len(self._ended) > KEPT:
            self._ended.popitem(last=False)

    async def _state(self, execution: Execution, name: str, state: dict[str, Any], data: Any) -> tuple[str, Any]:
        """The next state's name, empty at the end, and its input."""
        context = self._context(execution, name)
        retriers = Retriers(state.get("Retry", []))
        while True:
            execution.moves += 1
            try:
                return await self._once(execution, state, data, context)
            except StateError as error:
                delay = retriers.delay(error.name, self._random.random)
                if delay is not None:
                    context["State"]["RetryCount"] += 1
                    await self._sleep(execution, delay)
                    continue
                for rule in state.get("Catch", ()):
                    if matches(rule["ErrorEquals"], error.name):
                        caught = {"Error": error.name, "Cause": error.cause}
                        return rule["Next"], put(rule.get("ResultPath", "$"), data, caught)
                raise

    async def _once(
        self, execution: Execution, state: dict[str, Any], data: Any, context: dict[str, Any]
    ) -> tuple[str, Any]:
        given = look_up(state["InputPath"], data, context) if state.get("InputPath") else data
        match state["Type"]:
            case "Choice":
                return chosen(state, given, context), given
            case "Fail":
                cause = (
                    evaluated(state["CausePath"], given, context) if "CausePath" in state else state.get("Cause", "")
                )
                error = (
                    evaluated(state["ErrorPath"], given, context) if "ErrorPath" in state else state.get("Error", "")
                )
                raise StateError(error, cause)
            case "Succeed":
                return "", look_up(state.get("OutputPath") or "$", given, context)
            case "Wait":
                await self._sleep(execution, self._wait(state, given, context))
                result = given
            case "Pass":
                result = filled(state["Parameters"], given, context) if "Parameters" in state else given
                result = state.get("Result", result)
            case _:
                result = await self._task(execution, state, given, context)
        if "ResultSelector" in state:
            result = filled(state["ResultSelector"], result, context)
        data = put(state.get("ResultPath", "$"), data, result)
        output = look_up(state["OutputPath"], data, context) if state.get("OutputPath") else data
        if len(json.dumps(output).encode()) > PAYLOAD_LIMIT:
            raise StateError("States.DataLimitExceeded", f"more than {PAYLOAD_LIMIT} bytes")
        return state.get("Next", ""), output

    def _wait(self, state: dict[str, Any], data: Any, context: dict[str, Any]) -> float:
        """Seconds."""
        if "Timestamp" in state or "TimestampPath" in state:
            at = state.get("Timestamp") or look_up(state["TimestampPath"], data, context)
            return datetime.fromisoformat(at).timestamp() - self._clock.now()
        seconds = state["Seconds"] if "Seconds" in state else look_up(state["SecondsPath"], data, context)
        return float(seconds)

    async def _task(self, execution: Execution, state: dict[str, Any], data: Any, context: dict[str, Any]) -> Any:
        token = new_token(execution.machine.arn) if state["Resource"].endswith(TOKEN) else ""
        if token:
            context["Task"] = {"Token": token}
        parameters = filled(state.get("Parameters", {}), data, context)
        done: asyncio.Future[Any] = self._loop.create_future()
        timers: dict[str, Timer] = {}

        def late(error: str, seconds: float) -> None:
            if error in timers:
                timers[error].cancel()
            timers[error] = self._timers.after(seconds, lambda: _fail(done, StateError(error)))

        for field_, error in (("TimeoutSeconds", "States.Timeout"), ("HeartbeatSeconds", "States.HeartbeatTimeout")):
            seconds = look_up(state[field_ + "Path"], data, context) if field_ + "Path" in state else state.get(field_)
            if seconds is not None:
                late(error, float(seconds))
        beat = state.get("HeartbeatSeconds")
        calling = self._loop.create_task(self._call(execution, parameters, done, waits=bool(token)))
        if token:
            self._tokens[token] = Waiting(
                execution, done, lambda: late("States.HeartbeatTimeout", float(beat)) if beat else None
            )
        try:
            return await done
        finally:
            for timer in timers.values():
                timer.cancel()
            self._tokens.pop(token, None)
            if not calling.done():
                # The invocation goes on, as it would; nobody waits for its answer.
                calling.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def _call(
        self, execution: Execution, parameters: dict[str, Any], done: asyncio.Future[Any], *, waits: bool
    ) -> None:
        """Invoke the function; its answer or its failure ends the task, unless it waits for its token."""
        arn = parameters["FunctionName"]
        function = self._functions.get(re.sub(r"(:function:[^:]+):.*", r"\1", arn))
        try:
            execution.machine.role.check([Needed("lambda:InvokeFunction", arn)])
        except Denied as denied:
            message = f"{execution.machine.role.arn} may not invoke {arn} {denied.reason()}"
            self._tell(message)
            _fail(done, StateError("Lambda.AWSLambdaException", message))
            return
        if function is None:
            _fail(done, StateError("Lambda.ResourceNotFoundException", f"Function not found: {arn}"))
            return
        result = await function.invoke(json.dumps(parameters.get("Payload", {})).encode())
        if result.failed:
            told = json.loads(result.payload)
            _fail(done, StateError(told.get("errorType") or "Lambda.Unknown", result.payload.decode()))
        elif not waits and not done.done():
            answer = {"ExecutedVersion": "$LATEST", "Payload": json.loads(result.payload), "StatusCode": 200}
            done.set_result(answer)
        else:
            execution.parked = done

    async def _sleep(self, execution: Execution, seconds: float) -> None:
        if seconds <= 0:
            return
        woken: asyncio.Future[None] = self._loop.create_future()
        execution.parked = woken
        timer = self._timers.after(seconds, lambda: _wake(woken))
        try:
            await woken
        finally:
            timer.cancel()

    def _context(self, execution: Execution, state: str) -> dict[str, Any]:
        return {
            "Execution": {
                "Id": execution.arn,
                "Input": json.loads(execution.input),
                "Name": execution.name,
                "RoleArn": execution.machine.role.arn,
                "StartTime": written(execution.started),
            },
            "StateMachine": {"Id": execution.machine.arn, "Name": execution.machine.name},
            "State": {"Name": state, "EnteredTime": written(self._clock.now()), "RetryCount": 0},
        }


class Refusal(Exception):
    """What the API refuses."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _fail(done: asyncio.Future[Any], error: StateError) -> None:
    if not done.done():
        done.set_exception(error)
