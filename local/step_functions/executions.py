"""Step Functions: the template's state machines, and their executions. docs/adr/0008.

moto's interpreter runs each execution in threads, by real time, and calls back over HTTP. This one runs on the system's
loop: no locks, any number of executions at once, and time-outs, waits and retries on the virtual clock.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.aws import calls
from local.aws.calls import AwsCall
from local.clock import Clock, VirtualTimer, VirtualTimers
from local.functions.function import Function
from local.http_server import Response
from local.step_functions.state_machines import (
    Execution,
    execution_view,
    iso_time,
    machine_of_token,
    new_token,
    state_machines,
)
from local.step_functions.states_language import (
    TOKEN_SUFFIX,
    Retriers,
    StateError,
    choose_next,
    evaluate,
    fill_template,
    matches_error,
    read_path,
    write_path,
)
from local.template.intrinsics import ACCOUNT, REGION
from local.template.roles import Permission, PermissionDenied
from local.template.stack import Stack

_NAME = re.compile(r"[^\s\x00-\x1f\x7f<>{}\[\]?*\"#%\\^|~`$&,;:/]{1,80}")
PAYLOAD_LIMIT = 256 * 1024
REMEMBERED_EXECUTIONS = 2_000
"""How many ended executions are remembered: their names cannot be used again. AWS remembers them for 90 days."""


@dataclass
class WaitingTask:
    """A task state that waits for its token. `beat` restarts its heartbeat time-out."""

    execution: Execution
    done: asyncio.Future[Any]
    beat: Callable[[], None]


class Executions:
    """All state machines of the stack. `serve` answers API calls."""

    def __init__(
        self,
        stack: Stack,
        functions: Mapping[str, Function],
        *,
        clock: Clock,
        timers: VirtualTimers,
        report: Callable[[str], None],
        randomness: random.Random,
    ) -> None:
        self._functions = functions
        self._clock = clock
        self._timers = timers
        self._report = report
        self._random = randomness
        self._loop = asyncio.get_running_loop()
        self.machines = state_machines(stack)
        self._running: dict[str, Execution] = {}
        self._ended: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: dict[str, WaitingTask] = {}

    @property
    def busy(self) -> bool:
        """Whether any execution runs and does not wait for a token or a time."""
        return any(not (e.parked and not e.parked.done()) for e in self._running.values())

    def all(self) -> list[Execution]:
        """Ended ones first, each in the order of their end or start."""
        return [*self._ended.values(), *self._running.values()]

    def close(self) -> None:
        for execution in self._running.values():
            if execution.work:
                execution.work.cancel()

    # -- the API

    def required_permissions(self, call: AwsCall) -> list[Permission]:
        """The permissions of a call. A call with a task token needs one on the machine that gave the token."""
        if call.operation.startswith("SendTask"):
            return [
                Permission(f"states:{call.operation}", machine_of_token(call.parameters.get("taskToken", "")) or "*")
            ]
        return list(call.required_permissions())

    def serve(self, call: AwsCall) -> Response:
        handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "StartExecution": self._start,
            "DescribeExecution": self._describe,
            "StopExecution": self._stop,
            "ListExecutions": self._list,
            "SendTaskSuccess": lambda p: self._complete_task(p, json.loads(p["output"])),
            "SendTaskFailure": lambda p: self._complete_task(p, StateError(p.get("error", ""), p.get("cause", ""))),
            "SendTaskHeartbeat": self._heartbeat,
        }
        if call.operation not in handlers:
            return calls.error_response("states", "NotImplemented", f"{call.operation} (local runtime)", 501)
        try:
            answer = handlers[call.operation](call.parameters)
        except ApiError as refusal:
            return calls.error_response("states", refusal.code, str(refusal))
        except ValueError as error:
            return calls.error_response("states", "InvalidOutput", str(error))
        return Response(200, json.dumps(answer).encode(), [("content-type", "application/x-amz-json-1.0")])

    def _start(self, p: dict[str, Any]) -> dict[str, Any]:
        machine = self.machines.get(p["stateMachineArn"])
        if machine is None:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{p['stateMachineArn']}'")
        name, text = p.get("name") or str(uuid.uuid4()), p.get("input") or "{}"
        if not _NAME.fullmatch(name):
            raise ApiError("InvalidName", f"Invalid Name: '{name}'")
        if len(text.encode()) > PAYLOAD_LIMIT:
            raise ApiError("InvalidExecutionInput", f"an input of at most {PAYLOAD_LIMIT} bytes")
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{machine.name}:{name}"
        known = self._running.get(arn) or self._ended.get(arn)
        if known is not None and not (known.status == "RUNNING" and known.input == text):
            raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        if known is None:
            try:
                json.loads(text)
            except ValueError:
                raise ApiError("InvalidExecutionInput", "the input is not JSON") from None
            known = self._running[arn] = Execution(arn, name, machine, text, self._clock.now())
            known.work = self._loop.create_task(self._run(known))
        return {"executionArn": arn, "startDate": known.started}

    def _find(self, arn: str) -> Execution:
        found = self._running.get(arn) or self._ended.get(arn)
        if found is None:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return found

    def _describe(self, p: dict[str, Any]) -> dict[str, Any]:
        return {**execution_view(self._find(p["executionArn"]), full=True)}

    def _stop(self, p: dict[str, Any]) -> dict[str, Any]:
        execution = self._find(p["executionArn"])
        if execution.status == "RUNNING":
            execution.error, execution.cause = p.get("error"), p.get("cause")
            self._end(execution, "ABORTED")
            if execution.work:
                execution.work.cancel()
        return {"stopDate": execution.stopped}

    def _list(self, p: dict[str, Any]) -> dict[str, Any]:
        status = p.get("statusFilter")
        executions = [e for e in self.all() if e.machine.arn == p["stateMachineArn"] and status in (None, e.status)]
        return {"executions": [execution_view(e) for e in reversed(executions)][: p.get("maxResults") or 100]}

    def _complete_task(self, p: dict[str, Any], outcome: Any) -> dict[str, Any]:
        waiting = self._tokens.get(p["taskToken"])
        if waiting is None or waiting.done.done():
            known = machine_of_token(p["taskToken"]) in self.machines
            raise ApiError("TaskTimedOut", "Task Timed Out") if known else ApiError("InvalidToken", "Invalid Token")
        if isinstance(outcome, StateError):
            waiting.done.set_exception(outcome)
        else:
            waiting.done.set_result(outcome)
        return {}

    def _heartbeat(self, p: dict[str, Any]) -> dict[str, Any]:
        waiting = self._tokens.get(p["taskToken"])
        if waiting is None or waiting.done.done():
            raise ApiError("TaskTimedOut", "Task Timed Out")
        waiting.beat()
        return {}

    # -- running

    async def _run(self, execution: Execution) -> None:
        states = execution.machine.definition["States"]
        name, data = execution.machine.definition["StartAt"], json.loads(execution.input)
        try:
            while name:
                execution.entered.append(name)
                name, data = await self._run_state(execution, name, states[name], data)
            execution.output = json.dumps(data)
            self._end(execution, "SUCCEEDED")
        except StateError as error:
            execution.error, execution.cause = error.name, error.cause
            self._end(execution, "FAILED")
            self._report(f"execution {execution.name} of {execution.machine.name} failed: {error}")
        except Exception as error:
            execution.error, execution.cause = "States.Runtime", repr(error)
            self._end(execution, "FAILED")
            self._report(f"execution {execution.name} of {execution.machine.name} cannot go on: {error!r}")

    def _end(self, execution: Execution, status: str) -> None:
        """Record the end of an execution, and forget the oldest ended ones."""
        execution.status, execution.stopped, execution.parked = status, self._clock.now(), None
        self._running.pop(execution.arn, None)
        self._ended[execution.arn] = execution
        while len(self._ended) > REMEMBERED_EXECUTIONS:
            self._ended.popitem(last=False)

    async def _run_state(self, execution: Execution, name: str, state: dict[str, Any], data: Any) -> tuple[str, Any]:
        """The next state's name, empty at the end, and its input."""
        context = self._context(execution, name)
        retriers = Retriers(state.get("Retry", []))
        while True:
            execution.transitions += 1
            try:
                return await self._run_state_once(execution, state, data, context)
            except StateError as error:
                delay = retriers.delay(error.name, self._random.random)
                if delay is not None:
                    context["State"]["RetryCount"] += 1
                    await self._sleep(execution, delay)
                    continue
                for rule in state.get("Catch", ()):
                    if matches_error(rule["ErrorEquals"], error.name):
                        caught = {"Error": error.name, "Cause": error.cause}
                        return rule["Next"], write_path(rule.get("ResultPath", "$"), data, caught)
                raise

    async def _run_state_once(
        self, execution: Execution, state: dict[str, Any], data: Any, context: dict[str, Any]
    ) -> tuple[str, Any]:
        given = read_path(state["InputPath"], data, context) if state.get("InputPath") else data
        match state["Type"]:
            case "Choice":
                return choose_next(state, given, context), given
            case "Fail":
                cause = evaluate(state["CausePath"], given, context) if "CausePath" in state else state.get("Cause", "")
                error = evaluate(state["ErrorPath"], given, context) if "ErrorPath" in state else state.get("Error", "")
                raise StateError(error, cause)
            case "Succeed":
                return "", read_path(state.get("OutputPath") or "$", given, context)
            case "Wait":
                await self._sleep(execution, self._wait_seconds(state, given, context))
                result = given
            case "Pass":
                result = fill_template(state["Parameters"], given, context) if "Parameters" in state else given
                result = state.get("Result", result)
            case _:
                result = await self._run_task_state(execution, state, given, context)
        if "ResultSelector" in state:
            result = fill_template(state["ResultSelector"], result, context)
        data = write_path(state.get("ResultPath", "$"), data, result)
        output = read_path(state["OutputPath"], data, context) if state.get("OutputPath") else data
        if len(json.dumps(output).encode()) > PAYLOAD_LIMIT:
            raise StateError("States.DataLimitExceeded", f"more than {PAYLOAD_LIMIT} bytes")
        return state.get("Next", ""), output

    def _wait_seconds(self, state: dict[str, Any], data: Any, context: dict[str, Any]) -> float:
        """Seconds."""
        if "Timestamp" in state or "TimestampPath" in state:
            at = state.get("Timestamp") or read_path(state["TimestampPath"], data, context)
            return datetime.fromisoformat(at).timestamp() - self._clock.now()
        seconds = state["Seconds"] if "Seconds" in state else read_path(state["SecondsPath"], data, context)
        return float(seconds)

    async def _run_task_state(
        self, execution: Execution, state: dict[str, Any], data: Any, context: dict[str, Any]
    ) -> Any:
        token = new_token(execution.machine.arn) if state["Resource"].endswith(TOKEN_SUFFIX) else ""
        if token:
            context["Task"] = {"Token": token}
        parameters = fill_template(state.get("Parameters", {}), data, context)
        done: asyncio.Future[Any] = self._loop.create_future()
        timers: dict[str, VirtualTimer] = {}

        def late(error: str, seconds: float) -> None:
            if error in timers:
                timers[error].cancel()
            timers[error] = self._timers.after(seconds, lambda: _reject(done, StateError(error)))

        for field_, error in (("TimeoutSeconds", "States.Timeout"), ("HeartbeatSeconds", "States.HeartbeatTimeout")):
            seconds = (
                read_path(state[field_ + "Path"], data, context) if field_ + "Path" in state else state.get(field_)
            )
            if seconds is not None:
                late(error, float(seconds))
        beat = state.get("HeartbeatSeconds")
        calling = self._loop.create_task(self._invoke_function(execution, parameters, done, waits=bool(token)))
        if token:
            self._tokens[token] = WaitingTask(
                execution, done, lambda: late("States.HeartbeatTimeout", float(beat)) if beat else None
            )
        try:
            return await done
        finally:
            for timer in timers.values():
                timer.cancel()
            self._tokens.pop(token, None)
            if not calling.done():
                # The invocation goes on, as on AWS; its result is dropped.
                calling.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def _invoke_function(
        self, execution: Execution, parameters: dict[str, Any], done: asyncio.Future[Any], *, waits: bool
    ) -> None:
        """Invoke the function. A failure ends the task state. So does a result unless it waits for its token."""
        arn = parameters["FunctionName"]
        function = self._functions.get(re.sub(r"(:function:[^:]+):.*", r"\1", arn))
        try:
            execution.machine.role.require([Permission("lambda:InvokeFunction", arn)])
        except PermissionDenied as denied:
            message = f"{execution.machine.role.arn} may not invoke {arn} {denied.reason()}"
            self._report(message)
            _reject(done, StateError("Lambda.AWSLambdaException", message))
            return
        if function is None:
            _reject(done, StateError("Lambda.ResourceNotFoundException", f"Function not found: {arn}"))
            return
        result = await function.invoke(json.dumps(parameters.get("Payload", {})).encode())
        if result.failed:
            error = json.loads(result.payload)
            _reject(done, StateError(error.get("errorType") or "Lambda.Unknown", result.payload.decode()))
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
        timer = self._timers.after(seconds, lambda: _resolve(woken))
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
                "StartTime": iso_time(execution.started),
            },
            "StateMachine": {"Id": execution.machine.arn, "Name": execution.machine.name},
            "State": {"Name": state, "EnteredTime": iso_time(self._clock.now()), "RetryCount": 0},
        }


class ApiError(Exception):
    """An error of the Step Functions API. `code`: its name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _reject(done: asyncio.Future[Any], error: StateError) -> None:
    if not done.done():
        done.set_exception(error)
