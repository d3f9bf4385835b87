"""ARNs: none is spelled with a partition, since China and GovCloud have their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.build.locations import ROOT
from tests.infra.template import Template

PARTITION = re.compile(r"\barn:aws[a-z-]*:")
"""What a spelled partition looks like, in a template or in code."""


def strings(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a template with its path, keys too."""
    match value:
        case str():
            yield at, value
        case dict():
            for key, member in value.items():
                yield f"{at}.{key}", str(key)
                yield from strings(member, f"{at}.{key}")
        case list():
            for index, member in enumerate(value):
                yield from strings(member, f"{at}[{index}]")


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Every string literal of a module that is no docstring, with its line."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_arn_of_the_template_spells_its_partition(template: Template) -> None:
    assert [(at, text) for at, text in strings(template.body) if PARTITION.search(text)] == []


def test_both_machines_call_lambda_in_the_partition_that_they_are_deployed_to(template: Template) -> None:
    for machine in template.of_type("AWS::StepFunctions::StateMachine").values():
        assert "arn:ref-AWS::Partition:states:::lambda:invoke" in template.resolve(machine["DefinitionString"])


@pytest.mark.parametrize("folder", ["functions", "infra"])
def test_no_arn_is_spelled_in_code(folder: str) -> None:
    modules = sorted((ROOT / folder).rglob("*.py"))
    assert modules
    spelled = [(path.name, line) for path in modules for line, text in literals(path) if PARTITION.search(text)]
    assert spelled == []


def builds_arn(text: str) -> bool:
    """A pattern that reads ARNs builds none."""
    return text.startswith("arn:") and "(?P<" not in text


def test_functions_are_given_arns_and_build_none() -> None:
    modules = sorted((ROOT / "functions").rglob("*.py"))
    built = [(path.name, line) for path in modules for line, text in literals(path) if builds_arn(text)]
    assert built == []
