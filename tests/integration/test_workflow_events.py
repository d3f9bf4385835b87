"""events/workflow/: what the state machine sends to the workflow function, step after step."""

from __future__ import annotations

import json

import pytest

from functions.workflow.run_steps import NotLandedError, RunSteps, StillRunningError
from infra.functions.run_machine import definition as machine
from tests.integration import workflows
from tests.integration.cloud import event
from tests.integration.quick import Quick
from tests.integration.scene import metrics
from tests.integration.workflows import spec, states

STEPS = ("start", "release", "finish")


def test_each_step_answers_its_event(quick: Quick, monkeypatch) -> None:
    monkeypatch.setattr(workflows, "RUN", event("workflow", "start")["run"])
    run = workflows.submit(quick, [spec("a"), spec("b", "a")])
    assert quick.invoke("workflow", event("workflow", "start")) == {}
    assert quick.invoke("workflow", event("workflow", "release")) == {}
    assert states(run) == {"a": "READY", "b": "BLOCKED"}
    quick.work_off()
    assert quick.told == [(event("workflow", "release")["token"], {"outcome": "done"})]
    ended = quick.invoke("workflow", event("workflow", "finish"))
    assert ended == {"state": "SUCCESS", "counts": {"SUCCESS": 2}}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_without_its_record_asks_to_be_tried_again(quick: Quick, step: str) -> None:
    with pytest.raises(NotLandedError):
        quick.invoke("workflow", event("workflow", step))


@pytest.mark.parametrize(
    ("step", "changed", "counted"),
    [
        ("start", {}, {}),
        ("release", {}, {"WorkflowErrors": 1}),
        ("finish", {}, {"WorkflowErrors": 1}),
        ("start", {"step": "dance"}, {"WorkflowErrors": 1}),
        ("start", {"round": "one"}, {"WorkflowErrors": 1}),
    ],
)
def test_an_error_is_counted_unless_the_machine_waits_by_it(
    quick: Quick, capsys: pytest.CaptureFixture[str], step: str, changed: dict[str, str], counted: dict[str, int]
) -> None:
    with pytest.raises((NotLandedError, ValueError)):
        quick.invoke("workflow", event("workflow", step) | changed)
    assert metrics(capsys.readouterr().out) == counted


def test_a_retry_that_waits_for_running_nodes_is_not_counted(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def waits(*_: object) -> None:
        raise StillRunningError

    monkeypatch.setattr(RunSteps, "start", waits)
    with pytest.raises(StillRunningError):
        quick.invoke("workflow", event("workflow", "start"))
    assert metrics(capsys.readouterr().out) == {}


@pytest.mark.parametrize(("outcome", "counted"), [("broken", {"WorkflowErrors": 1}), ("timeout", {}), ("cancel", {})])
def test_a_step_that_was_given_up_is_counted_though_it_could_not_count_itself(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: str, counted: object
) -> None:
    monkeypatch.setattr(workflows, "RUN", event("workflow", "start")["run"])
    workflows.submit(quick, [spec("a")])
    quick.invoke("workflow", event("workflow", "start"))
    capsys.readouterr()
    quick.invoke("workflow", event("workflow", "finish") | {"outcome": outcome})
    assert metrics(capsys.readouterr().out) == counted


def test_events_have_the_fields_that_the_machine_sends() -> None:
    for state, step in zip(("Start", "Run", "Finish"), STEPS, strict=True):
        payload = machine("arn", partition="aws")["States"][state]["Parameters"]["Payload"]
        assert {name.removesuffix(".$") for name in payload} == set(event("workflow", step))


def test_the_machine_holds_nothing_that_is_null() -> None:
    """CDK leaves it out of the template without a word."""
    assert "null" not in json.dumps(machine("arn", partition="aws"))
