"""The run machine: what it retries, what it catches, whom it may call."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.template import Template, target


def machine(template: Template) -> dict[str, Any]:
    """The properties of the machine whose definition invokes the workflow function."""
    (found,) = (
        properties
        for properties in template.of_type("AWS::StepFunctions::StateMachine").values()
        if "waitForTaskToken" in json.dumps(properties)
    )
    return found


def definition(template: Template) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(template.resolve(machine(template)["DefinitionString"]))
    return read


def test_every_task_is_retried_and_what_cannot_be_done_ends_the_run(template: Template) -> None:
    states = definition(template)["States"]
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    assert set(tasks) == {"Start", "Run", "Finish"}
    for name, state in tasks.items():
        passing = state["Retry"][-1]
        assert "States.TaskFailed" in passing["ErrorEquals"], name
        assert passing["JitterStrategy"] == "FULL"
    for name in ("Start", "Run"):
        assert states[name]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
        assert states[name]["Catch"][-1]["Next"] == "Broken"


def test_the_input_of_the_run_goes_through_every_state(template: Template) -> None:
    """What has a result but no ResultPath would put it in the place of the input, and the next step would not know
    which run it is of."""
    states = definition(template)["States"]
    for name, state in states.items():
        if state["Type"] in ("Task", "Pass") and not state.get("End"):
            assert state["ResultPath"].startswith("$."), name
        for rule in state.get("Catch", ()):
            assert rule["ResultPath"].startswith("$."), name


def test_the_deadline_is_the_runs_own(template: Template) -> None:
    states = definition(template)["States"]
    assert states["Run"]["TimeoutSecondsPath"] == "$.deadlineSeconds"
    assert states["Run"]["Catch"][0] == {
        "ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "DeadlinePassed",
    }  # fmt: skip
    assert states["DeadlinePassed"]["Result"] == {"outcome": "timeout"}


def test_a_broken_run_is_finished_when_no_step_of_it_can_still_run(template: Template) -> None:
    states = definition(template)["States"]
    assert states["Broken"]["Next"] == "Quiet"
    assert states["Quiet"]["Next"] == "Finish"
    assert states["Quiet"]["Seconds"] > template.function("workflow")["Timeout"]


def test_a_submit_has_two_minutes_to_write_its_record(template: Template) -> None:
    landing = definition(template)["States"]["Start"]["Retry"][0]
    assert landing["ErrorEquals"] == ["NotLandedError"]
    waits = [landing["IntervalSeconds"] * landing["BackoffRate"] ** n for n in range(landing["MaxAttempts"])]
    api = template.function("api")["Timeout"]
    assert sum(waits) > 4 * api


def test_its_role_may_invoke_its_function_and_nothing_else(template: Template) -> None:
    role = template.properties(machine(template)["RoleArn"])
    ((statement,),) = (policy["PolicyDocument"]["Statement"] for policy in role["Policies"])
    assert statement["Action"] == "lambda:InvokeFunction"
    assert target(statement["Resource"]) == template.functions()["workflow"][0]


def test_a_failed_execution_alarms(template: Template) -> None:
    (name,) = (
        name
        for name, properties in template.of_type("AWS::StepFunctions::StateMachine").items()
        if properties == machine(template)
    )
    alarms = [str(alarm) for alarm in template.of_type("AWS::CloudWatch::Alarm").values()]
    assert any("'MetricName': 'ExecutionsFailed'" in alarm and f"'{name}'" in alarm for alarm in alarms)
