"""The states language: paths, templates, choices, retriers."""

from __future__ import annotations

from typing import Any

import pytest

from infra.functions.run_machine import definition
from local.step_functions.states_language import (
    Retriers,
    StateError,
    choose_next,
    evaluate,
    fill_template,
    matches_error,
    read_path,
    validate_definition,
    write_path,
)
from local.template.intrinsics import TemplateError

DATA = {"a": {"b": [1, {"c": "x"}]}, "text": "it's", "n": 3}
CONTEXT = {"Execution": {"Name": "run"}, "Task": {"Token": "t"}}


def test_paths() -> None:
    assert read_path("$", DATA, CONTEXT) is DATA
    assert read_path("$.a.b[1].c", DATA, CONTEXT) == "x"
    assert read_path("$['a']['b'][0]", DATA, CONTEXT) == 1
    assert read_path("$$.Task.Token", DATA, CONTEXT) == "t"
    with pytest.raises(StateError) as caught:
        read_path("$.none", DATA, CONTEXT)
    assert caught.value.name == "States.ParameterPathFailure"
    with pytest.raises(TemplateError):
        read_path("$..a", DATA, CONTEXT)


def test_results_are_put_where_the_path_says_and_the_input_stays() -> None:
    given = {"a": 1}
    assert write_path("$", given, 7) == 7
    assert write_path(None, given, 7) is given
    assert write_path("$.b.c", given, 7) == {"a": 1, "b": {"c": 7}}
    assert given == {"a": 1}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("States.Format('{} of {}', $.n, $.text)", "3 of it's"),
        ("States.Array($.n, 'a, b', 2)", [3, "a, b", 2]),
        ("States.StringToJson('{\"a\": [1]}')", {"a": [1]}),
        ("States.JsonToString($.a.b[1])", '{"c":"x"}'),
        ("States.MathAdd($.n, -1)", 2),
        ("States.Format('{}', States.MathAdd(1, 1))", "2"),
    ],
)
def test_intrinsic_functions(written: str, value: Any) -> None:
    assert evaluate(written, DATA, CONTEXT) == value
    assert fill_template({"x.$": written, "y": [{"z.$": "$.n"}]}, DATA, CONTEXT) == {"x": value, "y": [{"z": 3}]}


def test_what_an_intrinsic_function_cannot_do_is_an_error_of_the_state() -> None:
    with pytest.raises(StateError) as caught:
        evaluate("States.StringToJson($.text)", DATA, CONTEXT)
    assert caught.value.name == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    ("rule", "next_"),
    [
        ({"Variable": "$.n", "NumericGreaterThan": 2}, "yes"),
        ({"Variable": "$.n", "NumericEqualsPath": "$.a.b[0]"}, "no"),
        ({"Variable": "$.text", "StringMatches": "it*"}, "yes"),
        ({"Variable": "$.none", "IsPresent": False}, "yes"),
        ({"Variable": "$.none", "IsPresent": True}, "no"),
        ({"Not": {"Variable": "$.n", "StringEquals": "3"}}, "yes"),
        ({"And": [{"Variable": "$.n", "IsNumeric": True}, {"Variable": "$.text", "IsString": True}]}, "yes"),
        ({"Or": [{"Variable": "$.n", "IsNull": True}, {"Variable": "$.n", "IsBoolean": True}]}, "no"),
    ],
)
def test_choices(rule: dict[str, Any], next_: str) -> None:
    assert choose_next({"Choices": [{**rule, "Next": "yes"}], "Default": "no"}, DATA, CONTEXT) == next_


def test_no_choice_and_no_default() -> None:
    with pytest.raises(StateError) as caught:
        choose_next({"Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "x"}]}, DATA, CONTEXT)
    assert caught.value.name == "States.NoChoiceMatched"


def test_which_errors_a_rule_means() -> None:
    assert matches_error(["States.ALL"], "States.Timeout")
    assert matches_error(["States.TaskFailed"], "Whatever")
    assert not matches_error(["States.TaskFailed"], "States.Timeout")
    assert not matches_error(["Other"], "Whatever")


def test_retriers_back_off_each_by_itself_and_end() -> None:
    rules = [
        {"ErrorEquals": ["A"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3, "MaxDelaySeconds": 3},
        {"ErrorEquals": ["B"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 4, "JitterStrategy": "FULL", "MaxAttempts": 1},
    ]
    retriers = Retriers(rules)
    assert [retriers.delay("A", lambda: 0.5) for _ in range(4)] == [1, 2, 3, None]
    assert retriers.delay("B", lambda: 0.5) is None
    assert [retriers.delay("C", lambda: 0.5) for _ in range(2)] == [2, None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Start": {"Type": "Map"}}, "does not know Map"),
        ({"Start": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}}, "does not know arn"),
        ({"Start": {"Type": "Pass", "Next": "Nowhere"}}, "leads to Nowhere"),
        ({"Start": {"Type": "Pass"}}, "needs Next or End"),
    ],
)
def test_what_is_not_known_is_refused_when_the_template_is_read(change: dict[str, Any], said: str) -> None:
    machine = definition("arn", partition="aws")
    with pytest.raises(TemplateError, match=said):
        validate_definition({**machine, "States": machine["States"] | change}, "Runs")
    validate_definition(machine, "Runs")
