"""`python -m local serve` and `python -m local demo`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from local import assembly
from local.intrinsics import TemplateError
from local.system import LocalSystem, PortTaken, print_line

ENDPOINT_FILE = assembly.PROJECT / ".local" / "endpoint.json"
_WELCOME = """
Taskyard is running: {url}
    curl -s {url}/tasks -H 'content-type: application/json' \\
        -d '{{"type": "DELAYED_MESSAGE", "payload": {{"message": "hello"}}}}'
    API docs: {docs}
    mail that was sent: {url}/_local/mail    logs of the functions: {logs}
Ctrl-C stops it.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="Run the synthesized stack on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until Ctrl-C")
    serving.add_argument("--port", type=int, default=4510, help="on 127.0.0.1; 0 is any free one (4510)")
    serving.add_argument("--env", default="dev", help="whose template (dev)")
    commands.add_parser("demo", help="run tasks of every kind, show them, stop")
    given = parser.parse_args()
    if given.command == "demo":
        from local.demo import main as demo

        return demo()
    return serve(given.port, given.env)


def serve(port: int, environment: str) -> int:
    """Serve until SIGINT or SIGTERM; the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print("Starting (a changed stack is synthesized first) ...", flush=True)
    try:
        system = LocalSystem.start(
            port=port, environment=environment, directory=ENDPOINT_FILE.parent, tell=print_line, wait=False
        )
    except (PortTaken, assembly.AssemblyError, TemplateError) as problem:
        print(problem, file=sys.stderr)
        return 1
    with system, endpoint_file(system.url, ENDPOINT_FILE):
        logs = os.path.relpath(system.directory / "logs")
        print(_WELCOME.format(url=system.url, docs=f"{system.url}/docs", logs=logs), flush=True)
        stop.wait()
    return 0


@contextlib.contextmanager
def endpoint_file(url: str, path: Path) -> Iterator[None]:
    """Where clients find the system; removed in the end, unless another system has written its own meanwhile."""
    text = json.dumps({"url": url, "docs": f"{url}/docs"}) + "\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    # Clients believe no file that others may write.
    path.chmod(0o600)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                path.unlink()


if __name__ == "__main__":
    sys.exit(main())
