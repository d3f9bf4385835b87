"""`python -m functions.build.task_files 300`: whether every task file can be deployed where workers have 300 seconds.

Run before a stack is synthesized, in a process of its own (infra/build/task_files.py). Prints a line for each fault,
with file, line and what to do, and exits with 1. The deployed functions never import this.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from taskyard.tasks.errors import TaskFileError
from taskyard.tasks.task_type import TaskType

from functions.build import task_types
from functions.runtime.environment import WORKER_MARGIN_SECONDS

ROOT = Path(__file__).resolve().parents[2]
DECORATOR = (("taskyard.tasks", "taskyard.tasks.declaration"), "task")
LOCK_REMEDY = "add its package to requirements/functions.in and run `make lock`"
IMPORT_REMEDY = "importing a task file must do nothing but define: read what it needs in the handler"


@dataclass(frozen=True, order=True)
class Fault:
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        path = Path(self.file)
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return f"{shown}:{self.line}: {' '.join(self.message.split())}"


def faults(package: ModuleType, *, worker_seconds: int) -> list[Fault]:
    """Of all files of `package`, in the order of files and lines. `worker_seconds`: the time-out of a worker."""
    found: list[Fault] = []
    declared: dict[tuple[str, int], str] = {}
    for source in source_files(package):
        try:
            declared |= {(str(source), line): name for line, name in decorated_names(ast.parse(source.read_bytes()))}
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            found.append(Fault(str(source), line, f"{python} cannot read it: {message}; correct this line"))
    unreadable = {fault.file for fault in found}
    types: dict[int, tuple[TaskType, Fault]] = {}
    broken: set[str] = set()
    for name in task_types.modules(package):
        spec = importlib.util.find_spec(name)
        file = str(Path(str(spec.origin)).resolve()) if spec and spec.origin else name
        if file in unreadable:
            continue
        imported = import_or_fault(name, file)
        if isinstance(imported, Fault):
            found.append(imported)
            broken.add(file)
            continue
        for _, kind in task_types.declarations(imported):
            types[id(kind)] = (kind, Fault(*handler_location(kind.handler), ""))
    found += undiscovered_handlers(declared, [at for _, at in types.values()], besides=broken)
    found += duplicate_names(list(types.values()))
    for kind, at in types.values():
        found += (Fault(at.file, at.line, message) for message in type_faults(kind, worker_seconds=worker_seconds))
    return sorted(set(found))


def source_files(package: ModuleType) -> list[Path]:
    return sorted(file.resolve() for folder in package.__path__ for file in Path(folder).rglob("*.py"))


def decorated_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """First line and name of every function or class under `@task(...)`, wherever in the file it stands."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in DECORATOR[0]
        for alias in node.names
        if alias.name == DECORATOR[1]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Name) and called.id in names:
                    yield node.decorator_list[0].lineno, node.name


def import_or_fault(name: str, file: str) -> ModuleType | Fault:
    """The module; or why it cannot be imported, with the last line of its own that was reached."""
    try:
        return importlib.import_module(name)
    except TaskFileError as error:
        return Fault(str(Path(error.file).resolve()), error.line, error.message)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        lines = [at for path, at in traceback_lines(error) if path == file]
        message = f"it cannot be imported ({type(error).__name__}: {error}): {remedy(error)}"
        return Fault(file, lines[-1] if lines else 1, message)


def traceback_lines(error: BaseException) -> Iterator[tuple[str, int]]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield str(Path(frame.filename).resolve()), frame.lineno or 1


def remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        if error.name is not None and error.name.partition(".")[0] in ("functions", "taskyard", "infra", "local"):
            return "correct the name of the module"
        return LOCK_REMEDY
    if isinstance(error, ImportError):
        return "correct what is imported, or the version in requirements/functions.in"
    if isinstance(error, NameError):
        return "define or import the name above this line, and not under TYPE_CHECKING"
    if type(error).__module__.startswith("pydantic"):
        return "correct the model"
    return IMPORT_REMEDY


def handler_location(handler: Any) -> tuple[str, int]:
    code = inspect.unwrap(handler).__code__
    return str(Path(code.co_filename).resolve()), code.co_firstlineno


def undiscovered_handlers(
    declared: dict[tuple[str, int], str], found: Sequence[Fault], *, besides: set[str]
) -> Iterator[Fault]:
    """Handlers that no function will ever run, because no module's top level has them. `besides`: files that could
    not be imported, of which that is said already."""
    there = {(fault.file, fault.line) for fault in found}
    for (file, line), name in declared.items():
        if (file, line) not in there and file not in besides:
            yield Fault(
                file,
                line,
                f"{name} would not be found: a handler stands at the top level of a file directly in functions/tasks/, "
                "under a name of its own; a decorator above @task uses functools.wraps",
            )


def duplicate_names(types: Sequence[tuple[TaskType, Fault]]) -> Iterator[Fault]:
    first: dict[str, Fault] = {}
    for kind, at in sorted(types, key=lambda each: each[1]):
        for name in kind.names:
            if (earlier := first.setdefault(name, at)) is not at:
                where = str(earlier).removesuffix(": ")
                yield Fault(at.file, at.line, f"the name {name!r} is taken by {where}: rename one of the two")


def type_faults(kind: TaskType, *, worker_seconds: int) -> Iterator[str]:
    limit = worker_seconds - WORKER_MARGIN_SECONDS
    if kind.timeout_seconds is not None and kind.timeout_seconds > limit:
        yield (
            f"timeout_seconds is {kind.timeout_seconds}, but an attempt may run {limit} s here: lower it, or raise "
            f"worker_timeout_seconds in infra/config.py to {kind.timeout_seconds + WORKER_MARGIN_SECONDS} (at most 900)"
        )
    parameter = list(inspect.signature(kind.handler).parameters.values())[1]
    if parameter.annotation is parameter.empty:
        yield (
            f"{parameter.name} has no annotation, so nothing would check it: annotate it with a pydantic model, a "
            "TypedDict or a dataclass; or with Any, when anything may come"
        )
    if kind.payload_model is None:
        return
    shown = getattr(kind.payload_model, "__name__", kind.payload_model)
    checked = "a pydantic model, a TypedDict, a dataclass, or Any"
    try:
        # Models that name what is not there are left incomplete by pydantic, until they are used.
        kind.adapter.rebuild(raise_errors=True)
        lazy = has_lazy_iterable(kind.adapter.core_schema)
    except Exception as error:
        yield f"pydantic cannot check {shown} ({first_line(error)}): annotate {parameter.name} with {checked}"
        return
    if lazy:
        yield f"{shown} holds an Iterable, which is checked only when it is read: write list[...]"
    try:
        kind.adapter.json_schema()
    except Exception as error:
        yield f"{shown} has no JSON Schema ({first_line(error)}): use types that JSON can hold"


def has_lazy_iterable(schema: Any) -> bool:
    """Whether a part of it is validated when it is iterated, and not before."""
    todo, seen = [schema], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            if node.get("type") == "generator":
                return True
            todo += [value for name, value in node.items() if name != "serialization"]
        elif isinstance(node, list | tuple):
            todo += node
    return False


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def main(argv: Sequence[str]) -> int:
    import functions.tasks

    # What the files print when they are imported is no fault.
    with contextlib.redirect_stdout(sys.stderr):
        found = faults(functions.tasks, worker_seconds=int(argv[0]))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
