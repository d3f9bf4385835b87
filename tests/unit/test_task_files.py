"""Every way for a task file to be wrong: found before anything is deployed, with file, line and what to do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import functions.tasks
from functions.build.task_files import find_faults

HEAD = """\
from __future__ import annotations
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from pydantic import BaseModel
from taskyard.tasks.context import Context
from taskyard.tasks.declaration import task
from taskyard.tasks.retry import RetryPolicy
class Order(BaseModel):
    id: int
"""
AT = HEAD.count("\n") + 1
"""The line after it."""
_numbers = itertools.count()


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """`check({"a.py": text})`: the faults of a folder of task files, each as `a.py:12: message`."""
    package = ModuleType(f"task_files_under_test_{next(_numbers)}")
    package.__path__ = [str(tmp_path)]
    sys.modules[package.__name__] = package

    def checked(files: dict[str, str], *, worker_seconds: int = 60) -> list[str]:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        found = find_faults(package, worker_seconds=worker_seconds)
        return [str(fault).removeprefix(f"{tmp_path.resolve()}/") for fault in found]

    yield checked
    for name in [name for name in sys.modules if name.startswith(package.__name__)]:
        del sys.modules[name]


def handler(
    body: str = "...", *, decorator: str = '@task("A")', signature: str = "ctx: Context, payload: Order"
) -> str:
    return f"{decorator}\ndef handler({signature}): {body}\n"


INSTEAD = "a handler is a function, `def handler(ctx, payload)` or `async def`"
LATER = "importing a task file must do nothing but define: read what it needs in the handler"
NAME = (
    "cannot be the name of a task type: take up to 128 letters, digits, dots, dashes and underscores, the first one a "
    "letter or digit"
)
FOUND = (
    "would not be found: a handler stands at the top level of a file directly in {}, under a name of its own; a "
    "decorator above @task uses functools.wraps"
)
CHECKED = "a pydantic model, a TypedDict, a dataclass, or Any"
WRONG: dict[str, tuple[str, int, str]] = {
    # -- that cannot be read or imported
    "syntax": ("def handler(:\n", AT, "cannot read it: invalid syntax; correct this line"),
    "indentation": ("if True:\npass\n", AT + 1, "cannot read it: expected an indented block"),
    "missing module": (
        "import no_such_package\n",
        AT,
        "it cannot be imported (ModuleNotFoundError: No module named 'no_such_package'): add its package to "
        "requirements/functions.in and run `make lock`",
    ),
    "missing module of ours": (
        "import functions.core.nothing\n",
        AT,
        "it cannot be imported (ModuleNotFoundError: No module named 'functions.core.nothing'): correct the name of "
        "the module",
    ),
    "missing name": (
        "from functions.core.outcomes import Later\n",
        AT,
        "it cannot be imported (ImportError: cannot import name 'Later'",
    ),
    "undefined name": (
        "LIMIT = LIMITS + 1\n",
        AT,
        "it cannot be imported (NameError: name 'LIMITS' is not defined): define or import the name above this line",
    ),
    "environment at import": (
        "import os\nKEY = os.environ['NO_SUCH_KEY']\n",
        AT + 1,
        f"it cannot be imported (KeyError: 'NO_SUCH_KEY'): {LATER}",
    ),
    "exit at import": ("import sys\nsys.exit(3)\n", AT + 1, f"it cannot be imported (SystemExit: 3): {LATER}"),
    "deep error": ("def fail():\n    1 / 0\nfail()\n", AT + 1, "it cannot be imported (ZeroDivisionError"),
    # -- payloads
    "annotation under TYPE_CHECKING": (
        "if TYPE_CHECKING:\n    from decimal import Decimal\n" + handler(signature="ctx: Context, payload: Decimal"),
        AT + 2,
        "the annotation of payload cannot be resolved (NameError: name 'Decimal' is not defined): define or import its "
        "type above the handler, and not under TYPE_CHECKING",
    ),
    "annotation below": (
        handler(signature="ctx: Context, payload: Later") + "class Later(BaseModel): ...\n",
        AT,
        "the annotation of payload cannot be resolved (NameError: name 'Later' is not defined): define or import",
    ),
    "annotation that is no expression": (
        handler(signature="ctx: Context, payload: 'list['"),
        AT,
        "the annotation of payload cannot be resolved (SyntaxError",
    ),
    "no annotation": (
        handler(signature="ctx, payload"),
        AT,
        "payload has no annotation, so nothing would check it: annotate it with a pydantic model, a TypedDict or a "
        "dataclass; or with Any, when anything may come",
    ),
    "plain class": (
        "class Plain: ...\n" + handler(signature="ctx: Context, payload: Plain"),
        AT + 1,
        "pydantic cannot check Plain (PydanticSchemaGenerationError",
    ),
    "plain class, what to do": (
        "class Plain: ...\n" + handler(signature="ctx: Context, payload: Plain"),
        AT + 1,
        f"annotate payload with {CHECKED}",
    ),
    "model of an unknown name": (
        "class Late(BaseModel):\n    other: Missing\n" + handler(signature="ctx: Context, payload: Late"),
        AT + 2,
        "pydantic cannot check Late (PydanticUndefinedAnnotation: name 'Missing' is not defined): annotate",
    ),
    "model without a schema": (
        "class Plain: ...\nclass Odd(BaseModel):\n"
        "    model_config = {'arbitrary_types_allowed': True}\n    value: Plain\n"
        + handler(signature="ctx: Context, payload: Odd"),
        AT + 4,
        "Odd has no JSON Schema (PydanticInvalidForJsonSchema",
    ),
    "model of a plain class": (
        "class Plain: ...\nclass Odd(BaseModel):\n    value: Plain\n" + handler(signature="ctx: Context, payload: Odd"),
        AT + 1,
        "it cannot be imported (PydanticSchemaGenerationError: Unable to generate pydantic-core schema for",
    ),
    "callable": (
        "from collections.abc import Callable\n" + handler(signature="ctx: Context, payload: Callable[[], int]"),
        AT + 1,
        "has no JSON Schema (PydanticInvalidForJsonSchema",
    ),
    "iterable": (
        handler(signature="ctx: Context, payload: Iterable[int]"),
        AT,
        "Iterable holds an Iterable, which is checked only when it is read: write list[...]",
    ),
    # -- what is run
    "generator": (handler("yield 1"), AT, f"handler is a generator, which does nothing when it is called: {INSTEAD}"),
    "async generator": ("@task('A')\nasync def handler(ctx: Context, payload: Order): yield 1\n", AT, "is a generator"),
    "context manager": (
        "import contextlib\n@task('A')\n@contextlib.contextmanager\ndef handler(ctx: Context, payload: Order): yield\n",
        AT + 1,
        "handler is a generator",
    ),
    "class": (
        "@task('A')\nclass Handler:\n    ...\n",
        AT,
        f"a class cannot be a handler: {INSTEAD}; put one around it",
    ),
    "model": ("@task('A')\nclass Handler(BaseModel):\n    a: int\n", AT, "a class cannot be a handler"),
    "partial": (
        "def two(ctx: Context, payload: Order): ...\nA = task('A')(functools.partial(two))\n",
        AT + 1,
        "a partial cannot be a handler",
    ),
    "bound method": (
        "class Of:\n    def run(self, ctx: Context, payload: Order): ...\nA = task('A')(Of().run)\n",
        AT + 2,
        "a method cannot be a handler",
    ),
    "callable object": (
        "class Of:\n    def __call__(self, ctx: Context, payload: Order): ...\nA = task('A')(Of())\n",
        AT + 2,
        "a Of cannot be a handler",
    ),
    "cached function": (
        "@task('A')\n@functools.cache\ndef handler(ctx: Context, payload: Order): ...\n",
        AT,
        "a _lru_cache_wrapper cannot be a handler",
    ),
    "builtin": ("A = task('A')(print)\n", AT, "a builtin_function_or_method cannot be a handler"),
    "static method": (
        "class Of:\n    @task('A')\n    @staticmethod\n    def run(ctx: Context, payload: Order): ...\n",
        AT + 1,
        "a staticmethod cannot be a handler",
    ),
    "lambda": (
        "A = task('A')(lambda ctx, payload: None)\n",
        AT,
        f"a lambda cannot be a handler, because its payload has no annotation: {INSTEAD}",
    ),
    "hidden coroutine": (
        "def quick(call):\n    @functools.wraps(call)\n    def run(*args): return call(*args)\n    return run\n"
        "@task('A')\n@quick\nasync def handler(ctx: Context, payload: Order): ...\n",
        AT + 4,
        "a decorator of handler hides that it is a coroutine: make its wrapper an `async def`",
    ),
    # -- parameters
    "one parameter": (handler(signature="payload: Order"), AT, "handler must take (ctx, payload), not (payload: "),
    "no parameter": (handler(signature=""), AT, "handler must take (ctx, payload), not ()"),
    "three parameters": (handler(signature="ctx, payload: Order, more=1"), AT, "not (ctx, payload: 'Order', more=1)"),
    "keyword only": (handler(signature="ctx, *, payload: Order"), AT, "must take (ctx, payload), not (ctx, payload: "),
    "variable": (handler(signature="*args"), AT, "handler must take (ctx, payload), not (*args)"),
    "variable, second": (
        handler(signature="ctx, *payload: Order"),
        AT,
        "handler must take (ctx, payload), not (ctx, *p",
    ),
    "keywords": (handler(signature="ctx, **payload: Order"), AT, "handler must take (ctx, payload), not (ctx, **payl"),
    "method": (
        "class Of:\n    @task('A')\n    def run(self, ctx: Context, payload: Order): ...\n",
        AT + 1,
        "Of.run must take (ctx, payload), not (self, ctx: ",
    ),
    # -- names
    "no name": (handler(decorator="@task()"), AT, "@task needs the name of the task type: write @task('SEND_EMAIL')"),
    "no call": (
        handler(decorator="@task"),
        AT,
        "@task takes names only, not function: write @task('SEND_EMAIL') above",
    ),
    "empty name": (handler(decorator="@task('')"), AT, f"'' {NAME}"),
    "name with a space": (handler(decorator="@task('SEND MAIL')"), AT, f"'SEND MAIL' {NAME}"),
    "name with a line break": (handler(decorator=r"@task('A\n')"), AT, NAME),
    "name with a slash": (handler(decorator="@task('a/b')"), AT, NAME),
    "long name": (handler(decorator="@task('A' * 129)"), AT, NAME),
    "second name": (handler(decorator="@task('A', 'a b')"), AT, f"'a b' {NAME}"),
    "number for a name": (handler(decorator="@task(7)"), AT, "@task takes names only, not int"),
    "name twice": (handler(decorator="@task('A', 'A')"), AT, "'A' is given twice: remove one"),
    "taken name": (
        handler() + handler(decorator="@task('B', 'A')").replace("def handler", "def other"),
        AT + 2,
        f"the name 'A' is taken by {{}}wrong.py:{AT}: rename one of the two",
    ),
    # -- numbers that would be cut
    "time-out above the worker's": (
        handler(decorator="@task('A', timeout_seconds=2400)"),
        AT,
        "timeout_seconds is 2400, but an attempt may run 50 s here: lower it, or raise worker_timeout_seconds "
        "to 2410 (at most 900)",
    ),
    "time-out just above": (handler(decorator="@task('A', timeout_seconds=51)"), AT, "an attempt may run 50 s here"),
    "no time": (
        handler(decorator="@task('A', timeout_seconds=0)"),
        AT,
        "must be a whole number of seconds, at least 1",
    ),
    "time-out as text": (
        handler(decorator="@task('A', timeout_seconds='9')"),
        AT,
        "whole number of seconds, at least 1",
    ),
    "time-out with a fraction": (handler(decorator="@task('A', timeout_seconds=1.5)"), AT, "a whole number of seconds"),
    "too many attempts": (
        handler(decorator="@task('A', retry=RetryPolicy(max_attempts=102))"),
        AT,
        "max_attempts must be a whole number from 1 to 101, not 102",
    ),
    "no attempt": (
        handler(decorator="@task('A', retry=RetryPolicy(max_attempts=0))"),
        AT,
        "a whole number from 1 to 101",
    ),
    "unknown strategy": (
        handler(decorator="@task('A', retry=RetryPolicy(strategy='linear'))"),
        AT,
        "strategy must be 'exponential' or 'fixed', not 'linear'",
    ),
    "wait longer than a week": (
        handler(decorator="@task('A', retry=RetryPolicy(max_seconds=1e6))"),
        AT,
        "max_seconds must be a number from 0 to 604800, not 1000000.0",
    ),
    "wait that is no number": (
        handler(decorator="@task('A', retry=RetryPolicy(base_seconds=float('nan')))"),
        AT,
        "base_seconds must be a number from 0 to 604800, not nan",
    ),
    "jitter": (handler(decorator="@task('A', retry=RetryPolicy(jitter=2))"), AT, "jitter must be a number from 0 to 1"),
    "wait that is cut": (
        handler(decorator="@task('A', retry=RetryPolicy(base_seconds=3600))"),
        AT,
        "base_seconds is 3600, above max_seconds, at which each wait ends: 900; raise max_seconds",
    ),
    "no policy": (handler(decorator="@task('A', retry=5)"), AT, "retry must be a RetryPolicy, not int"),
    # -- what nobody would find
    "shadowed": (handler() + handler(decorator="@task('B')"), AT, f"handler {FOUND}"),
    "within a class": (
        "class Of:\n    @task('A')\n    def run(ctx: Context, payload: Order): ...\n",
        AT + 1,
        f"run {FOUND}",
    ),
    "never made": (
        "def make():\n    @task('A')\n    def run(ctx: Context, payload: Order): ...\n    return run\n",
        AT + 1,
        f"run {FOUND}",
    ),
    "deleted": (handler() + "del handler\n", AT, f"handler {FOUND}"),
    "wrapped": (
        "def logged(call):\n    return lambda *args: call(*args)\n@logged\n" + handler(),
        AT + 2,
        f"handler {FOUND}",
    ),
    "under another name": (
        "from taskyard.tasks import task as job\nclass Of:\n    @job('A')\n    def run(c, p: Order): ...\n",
        AT + 2,
        f"run {FOUND}",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_task_file_wrong_is_told_with_line_and_remedy(
    check: Callable[..., list[str]], tmp_path: Path, name: str
) -> None:
    text, line, message = WRONG[name]
    found = check({"wrong.py": HEAD + text, "right.py": HEAD + handler(decorator='@task("RIGHT")')})
    [fault] = found
    assert fault.startswith(f"wrong.py:{line}: ")
    assert message.format(f"{tmp_path.resolve()}/") in fault
    assert "\n" not in fault


@pytest.mark.parametrize("place", ["nested/deep.py", "a.dotted.name.py"])
def test_task_file_where_none_is_looked_for_is_told(
    check: Callable[..., list[str]], tmp_path: Path, place: str
) -> None:
    found = check({"nested/__init__.py": "", place: HEAD + handler()})
    assert found == [f"{place}:{AT}: handler {FOUND.format(f'{tmp_path.resolve()}/')}"]


def test_task_files_with_a_name_in_common_are_told_with_both_places(
    check: Callable[..., list[str]], tmp_path: Path
) -> None:
    found = check({"a.py": HEAD + handler(), "b.py": HEAD + handler(decorator="@task('B', 'A')")})
    assert found == [f"b.py:{AT}: the name 'A' is taken by {tmp_path.resolve()}/a.py:{AT}: rename one of the two"]


def test_every_wrong_file_is_told_in_order(check: Callable[..., list[str]]) -> None:
    found = check({"c.py": "import nothing_here\n", "a.py": "def:\n", "b.py": HEAD + handler("yield")})
    assert [fault.split(": ")[0] for fault in found] == ["a.py:1", f"b.py:{AT}", "c.py:1"]


RIGHT = {
    "a context under TYPE_CHECKING": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING, Any\n"
        "from taskyard.tasks import task\nif TYPE_CHECKING:\n"
        "    from taskyard.tasks import Context\n"
        "@task('T')\ndef handler(ctx: Context, payload: Any) -> None: ...\n"
    ),
    "a result under TYPE_CHECKING": HEAD
    + "if TYPE_CHECKING:\n    from decimal import Decimal\n"
    + "@task('A')\ndef handler(ctx: Any, payload: Order) -> Decimal: ...\n",
    "a coroutine": HEAD + "@task('A')\nasync def handler(ctx: Context, payload: dict[str, Any]) -> None: ...\n",
    "a wrapped handler": HEAD
    + "def logged(call):\n    @functools.wraps(call)\n    def run(*args): return call(*args)\n    return run\n"
    + "@task('A')\n@logged\ndef handler(ctx: Context, payload: Order): ...\n",
    "a wrapper outside": HEAD
    + "def logged(call):\n    @functools.wraps(call)\n    def run(*args): return call(*args)\n    return run\n@logged\n"
    + handler(),
    "handlers of a factory": HEAD
    + "def make(name):\n    @task(name)\n    def run(ctx: Context, payload: Order): ...\n    return run\n"
    + "A, B = make('A'), make('B')\n",
    "no handler": "LIMIT = 5\n",
    "the longest time-out": HEAD + handler(decorator="@task('A', timeout_seconds=50)"),
    "a payload by position": HEAD + handler(signature="ctx: Context, payload: Order, /"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_task_file_right_is_not_told(check: Callable[..., list[str]], name: str) -> None:
    assert check({"right.py": RIGHT[name]}) == []


@pytest.mark.parametrize("worker_seconds", [60, 300])
def test_shipped_task_files_are_right(worker_seconds: int) -> None:
    assert find_faults(functions.tasks, worker_seconds=worker_seconds) == []
