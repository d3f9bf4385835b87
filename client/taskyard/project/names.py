"""The names of a new project, all from one."""

import keyword
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
MAX_LENGTH = 40
TAKEN = frozenset({"app", "functions", "seed", "tasks", "taskyard", "tests"})
"""Modules of the deployed code, or of the project itself."""


@dataclass(frozen=True, kw_only=True)
class ProjectNames:
    """`name`: of the project and its folder, `order-mails`. `package`: of its Python package, `order_mails`.
    `stack`: how the names of its stacks begin, `OrderMails`."""

    name: str
    package: str
    stack: str


def project_names(name: str, *, is_installed: Callable[[str], bool]) -> ProjectNames:
    """`is_installed`: whether a package of that name can be imported here: the new one would hide it. Raises
    ValueError."""
    if not NAME.fullmatch(name) or len(name) > MAX_LENGTH:
        raise ValueError(
            f"{name!r} is no name for a project: use lower-case letters and digits, with single - or _ between them, "
            f"a letter first, {MAX_LENGTH} characters at most"
        )
    package = name.replace("-", "_")
    if package in TAKEN or package in sys.stdlib_module_names or keyword.iskeyword(package) or is_installed(package):
        raise ValueError(f"{name!r} is no name for a project: there is a Python module {package}; choose another name")
    return ProjectNames(name=name, package=package, stack="".join(part.capitalize() for part in package.split("_")))
