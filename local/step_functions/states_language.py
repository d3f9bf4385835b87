"""The Amazon States Language as far as templates use it: paths, payload templates, choices, retriers. Pure.

An unknown element is refused when the template is read, not when an execution reaches it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.template.intrinsics import TemplateError

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']+)'\]")
_CALL = re.compile(r"States\.([A-Za-z]+)\((.*)\)", re.DOTALL)
_COMPARISON = re.compile(
    r"(?P<kind>String|Numeric|Boolean|Timestamp)"
    r"(?P<how>Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals|Matches)(?P<path>Path)?"
)
STATE_TYPES = {"Task", "Pass", "Choice", "Wait", "Succeed", "Fail"}
INVOKE_RESOURCE = "arn:aws:states:::lambda:invoke"
TOKEN_SUFFIX = ".waitForTaskToken"  # noqa: S105 - no secret


class StateError(Exception):
    """An error that a state may retry or catch: its name, and its cause."""

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


def validate_definition(definition: Mapping[str, Any], machine: str) -> None:
    """Raise TemplateError for an element that this interpreter does not know, and for a missing state."""
    states = definition["States"]
    for name, state in states.items():
        kind = state["Type"]
        if kind not in STATE_TYPES or definition.get("QueryLanguage", "JSONPath") != "JSONPath":
            raise TemplateError(f"{machine}: the local runtime does not know {kind} states ({name})")
        if kind == "Task" and state["Resource"].removesuffix(TOKEN_SUFFIX) != INVOKE_RESOURCE:
            raise TemplateError(f"{machine}: the local runtime does not know {state['Resource']} ({name})")
        targets = [state.get("Next"), state.get("Default")]
        targets += [rule["Next"] for rule in (*state.get("Catch", ()), *state.get("Choices", ()))]
        if missing := [target for target in targets if target and target not in states]:
            raise TemplateError(f"{machine}: {name} leads to {missing[0]}, which does not exist")
        if kind in ("Task", "Pass", "Wait") and ("Next" in state) == bool(state.get("End")):
            raise TemplateError(f"{machine}: {name} needs Next or End, one of them")
    if definition["StartAt"] not in states:
        raise TemplateError(f"{machine}: StartAt is {definition['StartAt']}, which does not exist")


# -- paths


def read_path(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    """A reference path: `$.a.b[0]`, of the context object with `$$`. Raises StateError when nothing is there."""
    value: Any = context if path.startswith("$$") else data
    for step in _steps(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            raise StateError("States.ParameterPathFailure", f"the path {path} is not in {json.dumps(data)}") from None
    return value


def write_path(path: str | None, data: Any, value: Any) -> Any:
    """`data` with `value` at a ResultPath; null leaves it as it is."""
    if path is None:
        return data
    steps = _steps(path)
    if not steps:
        return value
    made: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
    at = made
    for step in steps[:-1]:
        at[str(step)] = dict(at.get(str(step)) or {})
        at = at[str(step)]
    at[str(steps[-1])] = value
    return made


def _steps(path: str) -> list[str | int]:
    rest = path[2:] if path.startswith("$$") else path[1:]
    steps: list[str | int] = []
    while rest:
        match = _STEP.match(rest)
        if not path.startswith("$") or match is None:
            raise TemplateError(f"the local runtime does not know the path {path}")
        steps.append(int(match[2]) if match[2] else match[1] or match[3])
        rest = rest[match.end() :]
    return steps


# -- payload templates and intrinsic functions


def fill_template(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """A payload template: the values of fields whose name ends with `.$` are paths or intrinsic functions."""
    if isinstance(template, list):
        return [fill_template(item, data, context) for item in template]
    if not isinstance(template, dict):
        return template
    return {
        (name.removesuffix(".$")): evaluate(value, data, context)
        if name.endswith(".$")
        else fill_template(value, data, context)
        for name, value in template.items()
    }


def evaluate(text: str, data: Any, context: Mapping[str, Any]) -> Any:
    """A path, an intrinsic function, or a literal as its argument."""
    text = text.strip()
    if call := _CALL.fullmatch(text):
        arguments = [evaluate(argument, data, context) for argument in _arguments(call[2])]
        if call[1] not in _FUNCTIONS:
            raise TemplateError(f"the local runtime does not know States.{call[1]}")
        try:
            return _FUNCTIONS[call[1]](*arguments)
        except (ValueError, TypeError) as error:
            raise StateError("States.IntrinsicFailure", f"{text}: {error}") from None
    if text.startswith("'"):
        return text[1:-1].replace("\\'", "'")
    return read_path(text, data, context) if text.startswith("$") else json.loads(text)


def _arguments(text: str) -> list[str]:
    """Split at the commas that are not inside quotes or parentheses."""
    found, depth, quoted, start = [], 0, False, 0
    for at, character in enumerate(text):
        if character == "'" and text[at - 1 : at] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and not depth:
                found.append(text[start:at])
                start = at + 1
    return [*found, text[start:]] if text.strip() else []


def _format(template: str, *values: Any) -> str:
    parts = template.split("{}")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(values)} values for {len(parts) - 1} places")
    written = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(part + value for part, value in zip(parts, [*written, ""], strict=True))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Array": lambda *values: list(values),
    "Format": _format,
    "JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
    "MathAdd": lambda one, other: int(one) + int(other),
    "StringToJson": json.loads,
    "UUID": lambda: str(uuid.uuid4()),
}


# -- choices


def choose_next(state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> str:
    """The name of the state that a Choice leads to."""
    for rule in state["Choices"]:
        if rule_holds(rule, data, context):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched", "no choice fits, and there is no default")
    return str(state["Default"])


def rule_holds(rule: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> bool:
    if "And" in rule:
        return all(rule_holds(part, data, context) for part in rule["And"])
    if "Or" in rule:
        return any(rule_holds(part, data, context) for part in rule["Or"])
    if "Not" in rule:
        return not rule_holds(rule["Not"], data, context)
    operator = next(name for name in rule if name not in ("Variable", "Next", "Comment"))
    wanted = rule[operator]
    try:
        value = read_path(rule["Variable"], data, context)
    except StateError:
        if operator == "IsPresent":
            return not wanted
        raise
    if operator.startswith("Is"):
        return bool(_has_type(operator, value) == wanted)
    match = _COMPARISON.fullmatch(operator)
    if match is None:
        raise TemplateError(f"the local runtime does not know the comparison {operator}")
    if match["path"]:
        wanted = read_path(wanted, data, context)
    return _compare(match["kind"], match["how"], value, wanted)


def _has_type(operator: str, value: Any) -> bool:
    match operator:
        case "IsPresent":
            return True
        case "IsNull":
            return value is None
        case "IsString":
            return isinstance(value, str)
        case "IsBoolean":
            return isinstance(value, bool)
        case "IsNumeric":
            return isinstance(value, int | float) and not isinstance(value, bool)
    raise TemplateError(f"the local runtime does not know the comparison {operator}")


def _compare(kind: str, how: str, value: Any, wanted: Any) -> bool:
    types: dict[str, Any] = {"String": str, "Numeric": (int, float), "Boolean": bool, "Timestamp": str}
    if not isinstance(value, types[kind]) or (kind == "Numeric" and isinstance(value, bool)):
        return False
    if how == "Matches":
        return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), value) is not None
    if kind == "Timestamp":
        value, wanted = datetime.fromisoformat(value), datetime.fromisoformat(wanted)
    outcomes: dict[str, bool] = {
        "Equals": value == wanted,
        "LessThan": value < wanted,
        "GreaterThan": value > wanted,
        "LessThanEquals": value <= wanted,
        "GreaterThanEquals": value >= wanted,
    }
    return outcomes[how]


# -- errors


def matches_error(names: list[str], error: str) -> bool:
    """Of a Retrier or Catcher. States.TaskFailed stands for every error but a time-out."""
    if error in names or "States.ALL" in names:
        return True
    return "States.TaskFailed" in names and error != "States.Timeout"


@dataclass
class Retriers:
    """The retriers of one entered state, with how often each was used."""

    rules: list[dict[str, Any]]

    def __post_init__(self) -> None:
        self._used = [0] * len(self.rules)

    def delay(self, error: str, draw: Callable[[], float]) -> float | None:
        """Seconds until the state is tried again; None: not again. `draw` is uniform in [0, 1)."""
        for at, rule in enumerate(self.rules):
            if not matches_error(rule["ErrorEquals"], error):
                continue
            if self._used[at] >= rule.get("MaxAttempts", 3):
                return None
            seconds = float(rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** self._used[at])
            self._used[at] += 1
            seconds = min(seconds, float(rule.get("MaxDelaySeconds", seconds)))
            return seconds * draw() if rule.get("JitterStrategy") == "FULL" else seconds
        return None
