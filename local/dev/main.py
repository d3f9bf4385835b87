"""`python -m local dev`: a user's app, running until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

from local.dev.app import UserApp
from local.dev.reloading import Reloader
from local.dev.seed import SeedFailed, run_seed
from local.dev.task_lines import task_line
from local.serving import endpoint_file, welcome
from local.system import LocalSystem, PortTaken, print_line
from local.template.cloud_assembly import CloudAssemblyError
from local.template.intrinsics import TemplateError

POLL_SECONDS = 0.5
SEED = "seed.py"


def develop(app: UserApp, *, port: int, directory: Path | None, reload: bool) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. `directory`: for the endpoint file and the logs; None: `.local` in
    the app's folder."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    directory = directory or app.folder / ".local"
    directory.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="dev-", dir=directory))
    try:
        return _develop(app, port, directory, work, reload, stop)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _develop(app: UserApp, port: int, directory: Path, work: Path, reload: bool, stop: threading.Event) -> int:
    print("Starting (the app is synthesized first) ...", flush=True)
    try:
        assembly = app.synthesize(work / "assembly-0")
        system = LocalSystem.start(port=port, assembly=assembly, directory=directory, report=print_line, wait=False)
    except (PortTaken, CloudAssemblyError, TemplateError) as problem:
        print(problem, file=sys.stderr)
        return 1
    with system:
        try:
            run_seed(app.folder / SEED, system)
        except SeedFailed as failure:
            print(failure, file=sys.stderr)
            return 1
        system.observe_tables(_print_task)
        system.after_reset = partial(run_seed, app.folder / SEED, system)
        token = system.token()
        with endpoint_file(system, token, directory / "endpoint.json"):
            print(welcome(system, token), flush=True)
            _wait(Reloader(system, app, work, print_line) if reload else None, stop)
    return 0


def _wait(reloader: Reloader | None, stop: threading.Event) -> None:
    while not stop.wait(POLL_SECONDS if reloader else None):
        if reloader:
            reloader.poll()
    if reloader:
        reloader.close()


def _print_task(record: dict[str, object]) -> None:
    line = task_line(record)
    if line:
        print(line, flush=True)
