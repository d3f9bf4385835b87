"""The extras of the package: what a base install leaves out, and the error that names the missing one."""

import contextlib
from collections.abc import Iterator

from taskyard.errors import TaskyardError


class MissingExtra(TaskyardError, ImportError):
    """A package of an extra is not installed. `extra`: its name, such as `cli`; `package`: what could not be
    imported."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"this needs taskyard[{extra}]: pip install 'taskyard[{extra}]'")
        self.extra = extra
        self.package = package


@contextlib.contextmanager
def packages_of_extra(extra: str) -> Iterator[None]:
    """Around imports of the packages of an extra. Raises MissingExtra for one that is not installed; an error inside
    of an installed package stays what it is."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "taskyard":
            raise
        raise MissingExtra(extra, error.name) from None
