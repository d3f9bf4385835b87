"""What the documents show is there: names, imports, options of the command, targets of make."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import shlex

import pytest
from taskyard.cli.arguments import build_parser, check_arguments

from tests.documents import ROOT, Example, examples

GIVEN = frozenset({"yard", "mail", "mails", "secret", "body", "headers", "sessions", "transaction", "enqueue", "Order"})
"""What examples of a few lines take from around them."""
SHELL = examples("sh", "bash")


@pytest.mark.parametrize("example", examples("python"), ids=str)
def test_python_example_uses_no_undefined_name(example: Example) -> None:
    tree = ast.parse(example.text)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    defined = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert used - defined - GIVEN - set(dir(builtins)) == set()


@pytest.mark.parametrize("example", examples("python"), ids=str)
def test_python_example_imports_what_there_is(example: Example) -> None:
    own = {str(each.file).removesuffix(".py").replace("/", ".") for each in examples("python") if each.file}
    for node in ast.walk(ast.parse(example.text)):
        if isinstance(node, ast.ImportFrom) and node.module not in own:
            # The construct has this name in the wheel.
            module = importlib.import_module(str(node.module).replace("taskyard.cdk", "infra"))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def commands(word: str) -> list[tuple[str, str]]:
    """Where, and the command, of every one that begins with `word`."""
    found = []
    for example in SHELL:
        for at, line in enumerate(example.text.splitlines()):
            parts = [part.strip().removeprefix("$ ") for part in re.split(r";|\|", re.sub(r"\s#.*", "", line))]
            where = f"{example.document}:{example.line + at}"
            found += [(where, part) for part in parts if part.startswith(f"{word} ")]
    return found


@pytest.mark.parametrize(("where", "command"), commands("taskyard"), ids=lambda each: each.split(" ")[0])
def test_command_of_an_example_is_understood(where: str, command: str) -> None:
    parser = build_parser()
    argv = [word for word in shlex.split(command)[1:] if not word.endswith(".svg") and word != ">"]
    check_arguments(parser, parser.parse_args(argv))


@pytest.mark.parametrize(("where", "command"), commands("make"), ids=lambda each: each)
def test_make_target_of_an_example_is_there(where: str, command: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert command.split()[1] in targets
