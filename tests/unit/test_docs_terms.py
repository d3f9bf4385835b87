"""Docs and code name the same things: states, routes and their roles, problems, metrics and environment variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from functions.api.routes import ROUTES
from functions.core.notifications.events import Delivery
from functions.core.states import State
from functions.core.workflows.run import OPEN_NODES, RunState
from functions.intake.problems import INTERNAL, PROBLEM_TYPES
from tests.documents import ROOT, pages

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
GUIDES = [
    page
    for page in pages()
    if page.parent.name != "adr" and page.name != "CHANGELOG.md" and ROOT / "examples" not in page.parents
]
"""The pages that describe today's code. ADRs and the changelog also name what was there before; pages of examples name
routes, task types and variables of their own."""
WORD = re.compile(r"(?<![\w<>{#$/.-])([A-Z][A-Z]+(?:_[A-Z]+)+|[A-Z]{4,})(?![\w#/-])")
"""A word in capitals, as states and variables are written: four letters, or several words with underscores."""
ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) ((?:/(?:\{\w+\}|[\w.-]*\w))+)")
METRIC = re.compile(
    r"`((?:Audit|Task|Schedule|Notification|Wakeup|Notifier|Workflow)[A-Z]\w+|QueueWait|RunTime|Drift)`"
)
ATTEMPT_OUTCOMES = {"SUCCESS", "RETRY", "FAILED", "DEAD", "LOST"}
NOT_OURS = {
    *("POST", "PATCH", "DELETE", "HTTP", "HTTPS", "JSON", "YAML", "ASCII", "UUID", "IANA", "HMAC", "ERROR"),
    *(
        "KEYS_ONLY",
        "AWS_IAM",
        "AWSPREVIOUS",
        "SIGSTOP",
        "PATH",
        "FUZZ_EXAMPLES",
        "CONTRIBUTING",
        "CHANGELOG",
        "README",
        "LICENSE",
        "SECURITY",
        "AUDITED",
        "CORS",
        "PKCE",
        "SSRF",
        *("ATOMIC_REQUESTS", "INSTALLED_APPS", "SEND_RECEIPT"),  # of Django and of an example
        *("DEBUG", "INFO", "WARNING", "ARM_64", "X86_64"),
    ),
}
"""Words in capitals that are standard terms, names of files, or values of AWS."""


# -- what the code has


@cache
def sources(*folders: str) -> tuple[tuple[Path, ast.Module], ...]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple((path, ast.parse(path.read_text())) for path in paths)


def texts(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def constants(module: ast.Module) -> dict[str, str]:
    """NAME = "text" of a module."""
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def variables_read(*folders: str) -> set[str]:
    """The environment variables that the code reads: keys of `env` and `environ`, by [] or get."""
    names = set()
    for _, module in sources(*folders):
        known = constants(module)
        for node in ast.walk(module):
            if isinstance(node, ast.Subscript) and last_name(node.value) in ("env", "environ", "_environ"):
                key: ast.AST = node.slice
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and last_name(node.func.value) in ("env", "environ", "_environ")
            ):
                key = node.args[0]
            else:
                continue
            names |= texts(key) or {known[last_name(key)]}
    return names


def variables_of_the_template() -> set[str]:
    """Keys in capitals of the dictionaries in infra: what the template sets for functions. Names that begin with AWS_
    are Lambda's, which refuses them in a template; infra passes them to processes of its own."""
    return {
        key.value
        for _, module in sources("infra")
        for node in ast.walk(module)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
        and isinstance(key.value, str)
        and re.fullmatch("(?!AWS_)[A-Z][A-Z_]+", key.value)
    } - {"PATH", "PYTHONHASHSEED"}


def metrics_emitted() -> set[str]:
    """First arguments of `metrics.count`, `.time` and `.invocation`. A variable stands for what its module assigns to
    the dictionary that it comes from."""
    names = set()
    for path, module in sources("functions"):
        for node in ast.walk(module):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in ("count", "time", "invocation") and last_name(node.func.value) == "metrics":
                found = (
                    texts(node.args[0]) if isinstance(node.args[0], ast.Constant) else assigned(module, node.args[0])
                )
                assert found, f"{path}:{node.lineno}: no metric's name is found behind this call"
                names |= found
    return names


def assigned(module: ast.Module, argument: ast.AST) -> set[str]:
    names = {each.id for each in ast.walk(argument) if isinstance(each, ast.Name)}
    for loop in ast.walk(module):
        if isinstance(loop, ast.For) and last_name(loop.target) in names:
            names |= {each.id for each in ast.walk(loop.iter) if isinstance(each, ast.Name)}
    return {
        text
        for node in ast.walk(module)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if names & {last_name(target) for target in node.targets}
        for value in node.value.values
        for text in texts(value)
    }


def routes() -> set[str]:
    return {f"{route.method} {route.path}" for route in ROUTES}


# -- what the docs say


def section(title: str) -> str:
    [found] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    return str(found)


def first_cells(title: str) -> set[str]:
    """What stands in backticks in the first column of a table of the reference."""
    rows = re.findall(r"^\| ([^|]*) \|", section(title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def words(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for page in GUIDES:
        for found in pattern.finditer(page.read_text()):
            yield page.name, " ".join(found.groups())


def unknown(pattern: re.Pattern[str], known: Iterable[str]) -> set[tuple[str, str]]:
    known = set(known)
    return {(page, word) for page, word in words(pattern) if word not in known}


# -- both ways


def test_docs_routes_are_those_of_the_api() -> None:
    assert first_cells("Routes") == routes()


def test_docs_roles_are_those_of_the_routes() -> None:
    rows = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (\w+) \|$", SECURITY, re.MULTILINE)
    assert rows == [(route.key, "open" if route.open else str(route.role)) for route in ROUTES]


def test_docs_problems_are_those_of_the_api() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \|", section("Problems"), re.MULTILINE)
    kinds = (*PROBLEM_TYPES.values(), INTERNAL)
    assert sorted(rows) == sorted((kind.slug, str(kind.status)) for kind in kinds)


def test_docs_every_route_named_in_a_page_exists() -> None:
    known = [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route))) for route in routes()]
    assert [(page, route) for page, route in words(ROUTE) if not any(each.fullmatch(route) for each in known)] == []


@pytest.mark.parametrize(
    ("of", "states"),
    [
        ("a task", {str(state) for state in State}),
        ("an attempt (`attempts[].outcome`)", ATTEMPT_OUTCOMES),
        ("a workflow run", {str(state) for state in RunState}),
        ("a notification", {str(state) for state in Delivery}),
    ],
)
def test_docs_states_are_those_of_the_code(of: str, states: set[str]) -> None:
    [row] = re.findall(rf"^\| {re.escape(of)} \|([^|]*)\|", section("States"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == states


def test_docs_metrics_are_those_that_functions_emit() -> None:
    assert first_cells("Metrics") == metrics_emitted()


def test_dashboard_metrics_are_emitted() -> None:
    """The lists of names in infra/monitoring.py that end in _METRICS."""
    shown = {
        name
        for _, module in sources("infra")
        for node in module.body
        if isinstance(node, ast.Assign) and last_name(node.targets[0]).endswith("_METRICS")
        for name in texts(node.value)
        if METRIC.fullmatch(f"`{name}`")
    }
    assert len(shown) > 10
    assert shown - metrics_emitted() == set()


def test_docs_every_metric_named_in_a_page_exists() -> None:
    alarms = set(re.findall(r"^\| `(\w+)` \|", OPERATIONS, re.MULTILINE))
    assert unknown(METRIC, metrics_emitted() | alarms) == set()


def test_docs_variables_of_functions_are_those_of_template_and_code() -> None:
    assert first_cells("Environment variables of the functions") == (
        variables_read("functions") | variables_of_the_template()
    )


def test_docs_variables_of_the_client_are_those_that_it_reads() -> None:
    assert first_cells("Environment variables of the client") == variables_read("client")


def test_docs_every_word_in_capitals_is_a_name_of_the_code() -> None:
    """A state, a variable or a task type that was renamed or removed does not stay in a page."""
    make = set(re.findall(r"^([A-Z]+) \??:?=|\$\(([A-Z]+)\)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = {
        *map(str, (*State, *RunState, *Delivery)),
        OPEN_NODES,
        *ATTEMPT_OUTCOMES,
        *first_cells("Environment variables of the functions"),
        *first_cells("Environment variables of the client"),
        *(name for pair in make for name in pair if name),
        *task_type_names(),
        "LEASE_LOST",  # an outcome of taskyard.testing alone
        "GREET",  # that of a new project
        "SEND_RECEIPT",  # that of examples/fastapi_app
        "RESIZE_IMAGE",  # the type that README and docs/task-types.md add
        *("SPLIT", "RENDER", "BUILD_INDEX"),  # types of the example of submits in docs/task-types.md
        *constant_names(),
        *NOT_OURS,
    }
    assert unknown(WORD, known) == set()


def task_type_names() -> set[str]:
    """What stands in the decorator of a handler: a type's name and its aliases."""
    return {
        name
        for _, module in sources("functions/tasks")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and last_name(node.func) == "task"
        for name in texts(node)
    }


def constant_names() -> set[str]:
    """Constants of the code, and the prefixes of keys in the table (functions/store/keys.py)."""
    return {
        last_name(target)
        for _, module in sources("functions", "infra")
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    } | {
        word
        for text in texts(ast.parse((ROOT / "functions" / "store" / "keys.py").read_text()))
        for word in re.findall("[A-Z]{4,}", text)
    }


def test_threat_model_names_tests_that_exist_in_each_row() -> None:
    model = SECURITY.partition("\n## Threat model\n")[2].partition("\n### ")[0]
    rows = [row for row in model.splitlines() if row.startswith("|")][2:]
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(rows) > 15
    for row in rows:
        asset, attacker, defence, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert all((asset, attacker, defence)), row
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, row
        assert set(named) - defined == set(), row
