"""`python -m functions.build.task_files 300`: checks that all task files can be deployed, with workers of 300 seconds.

Run before a stack is synthesized, in a process of its own (infra/build/task_files.py). Prints a line for each fault,
with file, line and remedy, and exits with 1 when there is one. The deployed functions never import this.
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
DECORATOR_MODULES, DECORATOR_NAME = ("taskyard.tasks", "taskyard.tasks.declaration"), "task"
LOCK_REMEDY = "add its package to requirements/functions.in and run `make lock`"
IMPORT_REMEDY = "importing a task file must do nothing but define: read what it needs in the handler"


@dataclass(frozen=True, order=True)
class Fault:
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        path = Path(self.file)
        short_path = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return f"{short_path}:{self.line}: {' '.join(self.message.split())}"


def find_faults(package: ModuleType, *, worker_seconds: int) -> list[Fault]:
    """The faults of all files of `package`, sorted by file and line. `worker_seconds`: the time-out of a worker."""
    faults: list[Fault] = []
    decorated: dict[tuple[str, int], str] = {}
    for source in source_files(package):
        try:
            decorated |= {(str(source), line): name for line, name in decorated_names(ast.parse(source.read_bytes()))}
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            faults.append(Fault(str(source), line, f"{python} cannot read it: {message}; correct this line"))
    unparsable_files = {fault.file for fault in faults}
    types: dict[int, tuple[TaskType, Fault]] = {}
    unimportable_files: set[str] = set()
    for name in task_types.module_names(package):
        spec = importlib.util.find_spec(name)
        file = str(Path(str(spec.origin)).resolve()) if spec and spec.origin else name
        if file in unparsable_files:
            continue
        module = import_or_fault(name, file)
        if isinstance(module, Fault):
            faults.append(module)
            unimportable_files.add(file)
            continue
        for _, task_type in task_types.declared_types(module):
            types[id(task_type)] = (task_type, Fault(*handler_location(task_type.handler), ""))
    faults += undiscovered_handlers(decorated, [place for _, place in types.values()], ignored_files=unimportable_files)
    faults += duplicate_names(list(types.values()))
    for task_type, place in types.values():
        faults += (
            Fault(place.file, place.line, message)
            for message in task_type_faults(task_type, worker_seconds=worker_seconds)
        )
    return sorted(set(faults))


def source_files(package: ModuleType) -> list[Path]:
    return sorted(file.resolve() for folder in package.__path__ for file in Path(folder).rglob("*.py"))


def decorated_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """First line and name of every function or class with `@task(...)`, anywhere in the file."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in DECORATOR_MODULES
        for alias in node.names
        if alias.name == DECORATOR_NAME
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(function, ast.Name) and function.id in names:
                    yield node.decorator_list[0].lineno, node.name


def import_or_fault(name: str, file: str) -> ModuleType | Fault:
    """The module, or a fault that says why it cannot be imported, at the last line of the file that ran."""
    try:
        return importlib.import_module(name)
    except TaskFileError as error:
        return Fault(str(Path(error.file).resolve()), error.line, error.message)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        lines = [line for path, line in traceback_lines(error) if path == file]
        message = f"it cannot be imported ({type(error).__name__}: {error}): {import_remedy(error)}"
        return Fault(file, lines[-1] if lines else 1, message)


def traceback_lines(error: BaseException) -> Iterator[tuple[str, int]]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield str(Path(frame.filename).resolve()), frame.lineno or 1


def import_remedy(error: BaseException) -> str:
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
    decorated: dict[tuple[str, int], str], discovered: Sequence[Fault], *, ignored_files: set[str]
) -> Iterator[Fault]:
    """Decorated handlers that no worker would ever run, because they are not at the top level of a module.
    `ignored_files`: could not be imported, and have a fault already."""
    discovered_places = {(fault.file, fault.line) for fault in discovered}
    for (file, line), name in decorated.items():
        if (file, line) not in discovered_places and file not in ignored_files:
            yield Fault(
                file,
                line,
                f"{name} would not be found: a handler stands at the top level of a file directly in functions/tasks/, "
                "under a name of its own; a decorator above @task uses functools.wraps",
            )


def duplicate_names(types: Sequence[tuple[TaskType, Fault]]) -> Iterator[Fault]:
    first: dict[str, Fault] = {}
    for task_type, place in sorted(types, key=lambda each: each[1]):
        for name in task_type.names:
            if (earlier := first.setdefault(name, place)) is not place:
                earlier_place = str(earlier).removesuffix(": ")
                yield Fault(
                    place.file, place.line, f"the name {name!r} is taken by {earlier_place}: rename one of the two"
                )


def task_type_faults(task_type: TaskType, *, worker_seconds: int) -> Iterator[str]:
    limit = worker_seconds - WORKER_MARGIN_SECONDS
    if task_type.timeout_seconds is not None and task_type.timeout_seconds > limit:
        yield (
            f"timeout_seconds is {task_type.timeout_seconds}, but an attempt may run {limit} s here: lower it, or "
            f"raise worker_timeout_seconds in infra/config.py to {task_type.timeout_seconds + WORKER_MARGIN_SECONDS} "
            "(at most 900)"
        )
    parameter = list(inspect.signature(task_type.handler).parameters.values())[1]
    if parameter.annotation is parameter.empty:
        yield (
            f"{parameter.name} has no annotation, so nothing would check it: annotate it with a pydantic model, a "
            "TypedDict or a dataclass; or with Any, when anything may come"
        )
    if task_type.payload_model is None:
        return
    model_name = getattr(task_type.payload_model, "__name__", task_type.payload_model)
    accepted = "a pydantic model, a TypedDict, a dataclass, or Any"
    try:
        # Pydantic leaves a model with an undefined name incomplete, and raises only when the model is used.
        task_type.adapter.rebuild(raise_errors=True)
        lazy = has_lazy_iterable(task_type.adapter.core_schema)
    except Exception as error:
        yield f"pydantic cannot check {model_name} ({first_line(error)}): annotate {parameter.name} with {accepted}"
        return
    if lazy:
        yield f"{model_name} holds an Iterable, which is checked only when it is read: write list[...]"
    try:
        task_type.adapter.json_schema()
    except Exception as error:
        yield f"{model_name} has no JSON Schema ({first_line(error)}): use types that JSON can hold"


def has_lazy_iterable(schema: Any) -> bool:
    """Whether a part of the schema is validated only when it is iterated."""
    pending, seen = [schema], set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            if node.get("type") == "generator":
                return True
            pending += [value for name, value in node.items() if name != "serialization"]
        elif isinstance(node, list | tuple):
            pending += node
    return False


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def main(argv: Sequence[str]) -> int:
    import functions.tasks

    # Task files may print when they are imported: that is not part of the list of faults.
    with contextlib.redirect_stdout(sys.stderr):
        faults = find_faults(functions.tasks, worker_seconds=int(argv[0]))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
