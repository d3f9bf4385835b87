"""docs/state-machine.md's chart and paragraphs against the table."""

from __future__ import annotations

import re
from pathlib import Path

from functions.core.states import REDRIVE, TERMINAL, TRANSITIONS, State

PAGE = (Path(__file__).parents[2] / "docs" / "state-machine.md").read_text()
[CHART] = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
ARROWS = [tuple(found) for found in re.findall(r"(?m)^ +(\S+) --> ([A-Z]+|\[\*\])(?:: .+)?$", CHART)]


def test_every_line_of_the_chart_is_an_arrow() -> None:
    lines = [line for line in CHART.splitlines() if line.strip()]
    assert lines[0] == "stateDiagram-v2"
    assert len(lines) - 1 == len(ARROWS)
    assert len(set(ARROWS)) == len(ARROWS)


def test_the_arrows_are_the_transitions_and_the_redrives() -> None:
    drawn = {(source, to) for source, to in ARROWS if "[*]" not in (source, to)}
    table = {(str(state), str(to)) for state, following in TRANSITIONS.items() for to in following}
    assert drawn == table | {(str(state), str(to)) for state, to in REDRIVE.items()}


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
