"""docs/state-machine.md's chart and paragraphs against the table."""

from __future__ import annotations

import re
from pathlib import Path

from functions.core.states import REDRIVE_TRANSITIONS, TERMINAL, TRANSITIONS, State

PAGE = (Path(__file__).parents[2] / "docs" / "state-machine.md").read_text()
[CHART] = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
DASHED = "Redrive"
"""The redrive is drawn as a state of its own: only a person starts it, and mermaid has no style for arrows."""
WAY = r"[A-Z]+|\[\*\]|Redrive"
ARROWS = [tuple(found) for found in re.findall(rf"(?m)^ +(\S+) --> ({WAY})(?:: .+)?$", CHART)]
STYLE = ('state "redriven" as Redrive', "classDef person stroke-dasharray: ", "class Redrive person")


def test_every_line_of_the_chart_is_an_arrow() -> None:
    lines = [line.strip() for line in CHART.splitlines() if line.strip()]
    assert lines[0] == "stateDiagram-v2"
    styled = [line for line in lines if line.startswith(STYLE)]
    assert len(styled) == len(STYLE)
    assert len(lines) - 1 - len(styled) == len(ARROWS)
    assert len(set(ARROWS)) == len(ARROWS)


def test_the_arrows_are_the_transitions() -> None:
    drawn = {(source, to) for source, to in ARROWS if not {"[*]", DASHED} & {source, to}}
    assert drawn == {(str(state), str(to)) for state, following in TRANSITIONS.items() for to in following}


def test_the_dashed_ways_are_the_redrives() -> None:
    into = {source for source, to in ARROWS if to == DASHED}
    out = {to for source, to in ARROWS if source == DASHED}
    assert into == {str(state) for state in REDRIVE_TRANSITIONS}
    assert out == {str(to) for to in REDRIVE_TRANSITIONS.values()}
    assert not set(REDRIVE_TRANSITIONS) - TERMINAL, "drawn as ends, too"


def test_terminal_states_are_drawn_as_ends() -> None:
    assert {source for source, to in ARROWS if to == "[*]"} == {str(state) for state in TERMINAL}


def test_tasks_begin_waiting() -> None:
    assert {to for source, to in ARROWS if source == "[*]"} == {"PENDING", "READY", "BLOCKED"}


def test_every_state_has_a_paragraph_that_says_who_repairs_it() -> None:
    paragraphs = dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^###|\Z)", PAGE))
    assert set(paragraphs) == {str(state) for state in State}
    for state in set(State) - TERMINAL:
        assert "*Moved on by*" in paragraphs[state]
        assert "*Repaired by*" in paragraphs[state]
