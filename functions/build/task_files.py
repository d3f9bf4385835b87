"""Checks that the task files of a pool can be deployed: its faults, each with file, line and remedy.

Part of the build of a pool (functions/build/pool.py). The deployed functions never import this.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from taskyard.tasks.errors import TaskFileError
from taskyard.tasks.task_type import TaskType

from functions.build.task_types import DiscoveredType, discover_types, module_names
from functions.runtime.environment import WORKER_MARGIN_SECONDS

ROOT = Path(__file__).resolve().parents[2]
DECORATOR_MODULES, DECORATOR_NAME = ("taskyard.tasks", "taskyard.tasks.declaration"), "task"
IMPORT_REMEDY = "importing a task file must do nothing but define: read what it needs in the handler"
MAX_WORKER_SECONDS = 900
"""Of a Lambda function."""


@dataclass(frozen=True, order=True)
class Fault:
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' '.join(self.message.split())}"


@dataclass(frozen=True, kw_only=True)
class Author:
    """What messages say to whoever writes the task files. `folders`: where they have each top-level package; `""`:
    in the current folder. `lock_remedy`: how a package is declared. `timeout_setting`: the name of the worker's
    time-out. `beside`: top-level modules that they have in the same folder, which are not deployed."""

    folders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lock_remedy: str = "add its package to requirements/functions.in and run `make lock`"
    timeout_setting: str = "worker_timeout_seconds"
    beside: Collection[str] = ()

    def path(self, file: str) -> str:
        """As the author has it: `file` is of the copy that is checked."""
        path = Path(file)
        if not path.is_relative_to(ROOT):
            return file
        copy = path.relative_to(ROOT)
        return str(Path(self.folders.get(Path(copy.parts[0]).stem, "")) / copy)

    def owns(self, file: str) -> bool:
        """Whether it is of a package of the author's."""
        path = Path(file)
        return path.is_relative_to(ROOT) and Path(path.relative_to(ROOT).parts[0]).stem in self.folders


DEFAULT_AUTHOR = Author()


@dataclass(frozen=True, kw_only=True)
class Check:
    """Of the task files of a pool. `types`: complete only where there are no faults. `places`: `file:line` of each name
    of a type."""

    faults: Sequence[Fault]
    types: Sequence[DiscoveredType]
    places: Mapping[str, str]


def find_faults(package: ModuleType, *, worker_seconds: int, author: Author = DEFAULT_AUTHOR) -> list[Fault]:
    """The faults of all files of `package`, sorted by file and line. `worker_seconds`: the time-out of a worker."""
    return list(check([package.__name__], worker_seconds=worker_seconds, author=author).faults)


def check(
    packages: Sequence[str], *, worker_seconds: int, author: Author = DEFAULT_AUTHOR, excluded: Collection[str] = ()
) -> Check:
    """Imports every module directly in the packages. `excluded`: packages within them that are of other pools."""
    faults: list[Fault] = []
    decorated: dict[tuple[str, int], str] = {}
    imported = [import_or_fault(name, author) for name in packages]
    faults += [each for each in imported if isinstance(each, Fault)]
    sources = [
        Source(file, package)
        for package in imported
        if isinstance(package, ModuleType)
        for file in source_files(package, excluded)
    ]
    for source in sources:
        try:
            tree = ast.parse(source.file.read_bytes())
            decorated |= {(str(source.file), line): name for line, name in decorated_names(tree)}
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            faults.append(Fault(str(source.file), line, f"{python} cannot read it: {message}; correct this line"))
    unparsable_files = {fault.file for fault in faults}
    unimportable_files: set[str] = set()
    modules: list[ModuleType] = []
    for name in (name for each in imported if isinstance(each, ModuleType) for name in module_names(each, excluded)):
        spec = importlib.util.find_spec(name)
        file = str(Path(str(spec.origin)).resolve()) if spec and spec.origin else name
        if file in unparsable_files:
            continue
        module = import_or_fault(name, author, file)
        if isinstance(module, Fault):
            faults.append(module)
            unimportable_files.add(file)
        else:
            modules.append(module)
    types = discover_types(modules)
    located = [(each.declaration, Fault(*handler_location(each.declaration.handler), "")) for each in types]
    faults += undiscovered_handlers(
        decorated, [place for _, place in located], sources, author, ignored_files=unimportable_files
    )
    faults += duplicate_names(located, author)
    for task_type, place in located:
        faults += (
            Fault(place.file, place.line, message)
            for message in task_type_faults(task_type, worker_seconds=worker_seconds, author=author)
        )
    return Check(
        faults=[replace(fault, file=author.path(fault.file)) for fault in sorted(set(faults))],
        types=types,
        places={
            name: f"{author.path(place.file)}:{place.line}" for task_type, place in located for name in task_type.names
        },
    )


@dataclass(frozen=True)
class Source:
    """A file of a package of task files."""

    file: Path
    package: ModuleType


def source_files(package: ModuleType, excluded: Collection[str]) -> list[Path]:
    """Of a package, all Python files below it but those of excluded packages; of a module, its own."""
    if not hasattr(package, "__path__"):
        return [Path(str(package.__file__)).resolve()]
    others = [name.removeprefix(f"{package.__name__}.").split(".") for name in excluded]
    return sorted(
        file.resolve()
        for folder in package.__path__
        for file in Path(folder).rglob("*.py")
        if not any(file.with_suffix("").is_relative_to(Path(folder, *other)) for other in others)
    )


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


def import_or_fault(name: str, author: Author, file: str = "") -> ModuleType | Fault:
    """The module, or a fault that says why it cannot be imported: at the last line of the author's that ran. `file`: of
    the module, when it is known; the line is one of it where nothing else of the author's ran."""
    try:
        return importlib.import_module(name)
    except TaskFileError as error:
        return Fault(str(Path(error.file).resolve()), error.line, error.message)
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        place = (str(Path(error.filename or file).resolve()), error.lineno or 1)
        return Fault(*place, f"Python cannot read it: {error.msg}; correct this line")
    except BaseException as error:
        lines = [(path, line) for path, line in traceback_lines(error) if path == file or author.owns(path)]
        message = f"it cannot be imported ({type(error).__name__}: {error}): {import_remedy(error, author)}"
        return Fault(*(lines[-1] if lines else (file or name, 1)), message)


def traceback_lines(error: BaseException) -> Iterator[tuple[str, int]]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield str(Path(frame.filename).resolve()), frame.lineno or 1


def import_remedy(error: BaseException, author: Author) -> str:
    if isinstance(error, ModuleNotFoundError):
        top_level = (error.name or "").partition(".")[0]
        if top_level in ("functions", "taskyard", "infra", "local", *author.folders):
            return "correct the name of the module"
        if top_level in author.beside:
            deployed = " and ".join(sorted(author.folders))
            return f"only the package {deployed} is deployed: move {top_level} into it"
        return author.lock_remedy
    if isinstance(error, ImportError):
        return "correct what is imported, or the version of its package"
    if isinstance(error, NameError):
        return "define or import the name above this line, and not under TYPE_CHECKING"
    if type(error).__module__.startswith("pydantic"):
        return "correct the model"
    return IMPORT_REMEDY


def handler_location(handler: Any) -> tuple[str, int]:
    code = inspect.unwrap(handler).__code__
    return str(Path(code.co_filename).resolve()), code.co_firstlineno


def undiscovered_handlers(
    decorated: dict[tuple[str, int], str],
    discovered: Sequence[Fault],
    sources: Sequence[Source],
    author: Author,
    *,
    ignored_files: set[str],
) -> Iterator[Fault]:
    """Decorated handlers that no worker would ever run, because they are not at the top level of a module.
    `ignored_files`: could not be imported, and have a fault already."""
    discovered_places = {(fault.file, fault.line) for fault in discovered}
    packages = {str(source.file): source.package for source in sources}
    for (file, line), name in decorated.items():
        if (file, line) not in discovered_places and file not in ignored_files:
            place = expected_place(packages[file], author)
            yield Fault(
                file,
                line,
                f"{name} would not be found: a handler stands at the top level of {place}, "
                "under a name of its own; a decorator above @task uses functools.wraps",
            )


def expected_place(package: ModuleType, author: Author) -> str:
    if not hasattr(package, "__path__"):
        return author.path(str(package.__file__))
    return f"a file directly in {author.path(str(Path(next(iter(package.__path__))).resolve()))}/"


def duplicate_names(types: Sequence[tuple[TaskType, Fault]], author: Author) -> Iterator[Fault]:
    first: dict[str, Fault] = {}
    for task_type, place in sorted(types, key=lambda each: each[1]):
        for name in task_type.names:
            if (earlier := first.setdefault(name, place)) is not place:
                earlier_place = f"{author.path(earlier.file)}:{earlier.line}"
                yield Fault(
                    place.file, place.line, f"the name {name!r} is taken by {earlier_place}: rename one of the two"
                )


def task_type_faults(task_type: TaskType, *, worker_seconds: int, author: Author) -> Iterator[str]:
    limit = worker_seconds - WORKER_MARGIN_SECONDS
    if task_type.timeout_seconds is not None and task_type.timeout_seconds > limit:
        needed = task_type.timeout_seconds + WORKER_MARGIN_SECONDS
        yield (
            f"timeout_seconds is {task_type.timeout_seconds}, but an attempt may run {limit} s here: lower it, or "
            f"raise {author.timeout_setting} to {needed} (at most {MAX_WORKER_SECONDS})"
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
