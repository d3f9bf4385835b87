"""Takes over changes of a user's app while it runs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from local.dev import source_files, staging
from local.dev.app import UserApp
from local.functions.layers import layer_directories
from local.system import LocalSystem
from local.template.cloud_assembly import CloudAssembly, CloudAssemblyError
from local.template.intrinsics import TemplateError


class Reloader:
    """Call `poll` now and then, from one thread.

    An edited file of a function's code is in force at once: the code asset is copied with it, and functions start
    processes from the copy once it has been imported. Meanwhile the app is synthesized anew, which finds what else
    changed: task types, roles, resources. State in AWS stays. `work`: the folder for copies and assemblies.
    """

    def __init__(self, system: LocalSystem, app: UserApp, work: Path, report: Callable[[str], None]) -> None:
        self._system = system
        self._app = app
        self._work = work
        self._report = report
        self._stamps = source_files.scan(app.folder)
        self._numbers = itertools.count(1)
        self._outdated = False
        """Whether the source changed after the last synthesis began."""
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="synthesis")
        self._synthesis: Future[CloudAssembly] | None = None

    @property
    def busy(self) -> bool:
        """Whether a change is not taken over in full yet."""
        return self._outdated or self._synthesis is not None

    def poll(self) -> None:
        """Take over what changed since the last call, and what a synthesis found that has ended."""
        stamps = source_files.scan(self._app.folder)
        changes, self._stamps = source_files.find_changes(self._stamps, stamps), stamps
        if changes:
            names = ", ".join(sorted(path.relative_to(self._app.folder).as_posix() for path in changes))
            self._outdated = self._deploy_files(changes, names)
        if self._synthesis is not None and self._synthesis.done():
            ended, self._synthesis = self._synthesis, None
            if not self._outdated:  # else it has read source that is not the latest
                self._take_over(ended)
        if self._outdated and self._synthesis is None:
            self._outdated = False
            out = self._work / f"assembly-{next(self._numbers)}"
            self._synthesis = self._threads.submit(self._app.synthesize, out)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _deploy_files(self, changes: set[Path], names: str) -> bool:
        """Whether the changed files of the functions' code can be imported, if there are any."""
        began, roots = time.monotonic(), {}
        for spec in self._system.stack.functions.values():
            # Of the functions with the same code, a worker has all that its handlers import.
            if spec.root in roots or not (files := source_files.files_of_asset(self._app.folder, spec.root, changes)):
                continue
            same = [one for one in self._system.stack.functions.values() if one.root == spec.root]
            worker = next((one for one in same if "worker" in one.handler), spec)
            target = staging.stage(spec.root, files, self._work / f"code-{next(self._numbers)}")
            error = staging.import_error(target, files, layer_directories(worker.layers), worker.environment)
            if error:
                self._report(f"not reloaded, what ran goes on: {error}")
                return False
            roots[spec.root] = target
        if roots:
            self._system.deploy_code(roots)
            self._report(f"reloaded {names} in {time.monotonic() - began:.1f} s")
        return True

    def _take_over(self, synthesis: Future[CloudAssembly]) -> None:
        try:
            reasons = self._system.update(synthesis.result())
        except (CloudAssemblyError, TemplateError) as error:
            self._report(f"not taken over, what ran goes on: {error}")
            return
        if reasons:
            self._report(f"restart needed: {'; '.join(reasons)}")
