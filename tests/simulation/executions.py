"""Step Functions on the virtual clock: the run machine as it is deployed (infra/functions/run_machine.py).

Of notifications only the start is looked at: each is an execution under its name, once; their machine is not run.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.functions.run_machine import definition
from local.step_functions.states_language import (
    TOKEN_SUFFIX,
    Retriers,
    StateError,
    fill_template,
    matches_error,
    read_path,
    validate_definition,
    write_path,
)
from tests.simulation.deployment import RUN_MACHINE, function_arn
from tests.simulation.fibers import SECOND, Process

if TYPE_CHECKING:
    from tests.simulation.functions import Lambda
    from tests.simulation.world import World

MACHINE = definition(function_arn("workflow"), partition="aws")
validate_definition(MACHINE, "run")


class ExecutionAlreadyExists(ClientError):
    pass


class TaskDoesNotExist(ClientError):
    pass


class Executions:
    """boto3's client of Step Functions, as far as the functions speak it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.notifications: dict[str, str] = {}
        """Name → input."""
        self.runs: dict[str, Execution] = {}
        """By name."""
        self.dates: dict[str, int] = {}
        """Name → when it was started."""
        self.waiting: dict[str, Execution] = {}
        """By the token that it waits for."""

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self, operation)(arguments)
        return answer

    def start_execution(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name, given = arguments["name"], arguments["input"]
        run = arguments["stateMachineArn"] == RUN_MACHINE
        known = self.runs[name].given if name in self.runs else self.notifications.get(name)
        if known is not None:
            # AWS: with the same input, and while the first one runs, that one is answered.
            runs = self.runs[name].status == "RUNNING" if run else self.world.faults.coin()
            if known == given and runs:
                return self._started(name)
            raise ExecutionAlreadyExists(code("ExecutionAlreadyExists"), "StartExecution")
        if run:
            self.runs[name] = Execution(self.world, name, given)
        else:
            self.notifications[name] = given
            self.world.count("notifications started")
        self.dates[name] = self.world.hub.now
        return self._started(name)

    def _started(self, name: str) -> dict[str, Any]:
        return {"executionArn": name, "startDate": datetime.fromtimestamp(self.dates[name] / SECOND, UTC)}

    def send_task_success(self, arguments: dict[str, Any]) -> dict[str, Any]:
        execution = self.waiting.pop(arguments["taskToken"], None)
        if execution is None:
            raise TaskDoesNotExist(code("TaskTimedOut"), "SendTaskSuccess")
        execution.answered(json.loads(arguments["output"]))
        return {}


class Execution(Process):
    """One of the run machine: a fiber that no fault ends. What may go wrong is what happens to the function.

    `status`: RUNNING, SUCCEEDED or FAILED."""

    def __init__(self, world: World, name: str, given: str) -> None:
        super().__init__(world.hub, f"execution {name[-8:]}")
        self.world = world
        self.given = given
        self.status = "RUNNING"
        self.fragile = world.faults.coin() and world.faults.coin()
        """Its steps may fail until their retries are used up, and with them the run."""
        self._answers: list[Any] = []
        self._wake: Any = None
        world.hub.after(world.faults.pickup(), lambda: world.hub.spawn(self, self._run))

    def _run(self) -> None:
        states, name, data = MACHINE["States"], MACHINE["StartAt"], json.loads(self.given)
        try:
            while name:
                self.world.trace(self.name, f"enters {name}")
                self.world.count(f"runs in {name}")
                name, data = self._state(name, states[name], data)
            self.status = "SUCCEEDED"
        except StateError as error:
            self.status = "FAILED"
            self.world.trace(self.name, f"fails: {error.name}")

    def _state(self, name: str, state: dict[str, Any], data: Any) -> tuple[str, Any]:
        """The next state's name, empty at the end, and its input."""
        retriers, tries = Retriers(state.get("Retry", [])), 0
        while True:
            try:
                return self._once(name, state, data, tries)
            except StateError as error:
                tries += 1
                delay = retriers.delay(error.name, self.world.faults.random.random)
                if delay is not None:
                    self.world.trace(self.name, f"{name}: {error.name}, again in {delay:.1f} s")
                    self.hub.sleep(round(delay * SECOND))
                    continue
                for rule in state.get("Catch", ()):
                    if matches_error(rule["ErrorEquals"], error.name):
                        self.world.trace(self.name, f"{name}: {error.name} is caught")
                        return rule["Next"], write_path(
                            rule["ResultPath"], data, {"Error": error.name, "Cause": error.cause}
                        )
                raise

    def _once(self, name: str, state: dict[str, Any], data: Any, tries: int) -> tuple[str, Any]:
        match state["Type"]:
            case "Fail":
                raise StateError(state["Error"], state["Cause"])
            case "Pass":
                result = state["Result"]
            case "Wait":
                self.hub.sleep(state["Seconds"] * SECOND)
                return state["Next"], data
            case "Task":
                # A run whose end fails thirteen times stays as it is, and an alarm reports it: docs/adr/0008.
                most = 4 if name != "Finish" else 6
                result = self._task(state, data, tries, spared=tries >= most and (name == "Finish" or not self.fragile))
            case other:
                raise NotImplementedError(other)
        data = write_path(state.get("ResultPath", "$"), data, result)
        return state.get("Next", ""), read_path(state["OutputPath"], data, {}) if "OutputPath" in state else data

    def _task(self, state: dict[str, Any], data: Any, tries: int, *, spared: bool) -> Any:
        token = self.world.identity("token") if state["Resource"].endswith(TOKEN_SUFFIX) else ""
        given = fill_template(state["Parameters"], data, {"Task": {"Token": token}, "State": {"RetryCount": tries}})
        seconds = read_path(state["TimeoutSecondsPath"], data, {}) if "TimeoutSecondsPath" in state else None
        answers = self._answers = []

        def ended(process: Lambda, answer: Any) -> None:
            if answers is not self._answers:
                return  # of an earlier try
            if answer is None:
                self.answered(StateError(process.failure))
            elif not token:
                self.answered({"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200})

        def begin(wake: Any) -> None:
            self._wake = wake
            if token:
                self.world.executions.waiting[token] = self
            self._invoke(given["Payload"], ended, spared=spared)

        self.hub.wait(begin, None if seconds is None else seconds * SECOND)
        self._answers = []
        self.world.executions.waiting.pop(token, None)
        if not answers:
            raise StateError("States.Timeout")
        if isinstance(answers[0], StateError):
            raise answers[0]
        return answers[0]

    def answered(self, outcome: Any) -> None:
        """By the function, or with the token; the first one counts."""
        self._answers.append(outcome)
        if len(self._answers) == 1:
            self._wake()

    def _invoke(self, payload: dict[str, Any], ended: Any, *, spared: bool) -> None:
        world = self.world
        what = f"{payload['step']} of {payload['run'][-8:]}, round {payload['round']}"
        if not spared and world.faults.happens("step refused", what):
            self.answered(StateError("Lambda.TooManyRequestsException"))
            return
        process: list[Lambda] = []
        unheard = not spared and world.faults.happens("step unheard", what)

        def lost() -> None:
            ended(process[0], None)

        def done(answer: Any) -> None:
            if not unheard:
                ended(process[0], answer)

        process.append(world.functions.invoke("workflow", payload, done, what, spared=spared))
        if unheard:
            # The connection is lost, the function goes on.
            world.hub.after(world.faults.soon(), lost)


def code(name: str) -> dict[str, Any]:
    return {"Error": {"Code": name, "Message": ""}}
