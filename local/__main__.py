"""`python -m local serve` and `python -m local demo`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from local.system import LocalSystem, PortTaken, print_line
from local.template import cloud_assembly
from local.template.intrinsics import REGION, TemplateError

ENDPOINT_FILE = cloud_assembly.PROJECT / ".local" / "endpoint.json"
_WELCOME = """
Taskyard is running: {url}
    curl -s {url}/tasks -H 'content-type: application/json' \\
        -d '{{"type": "DELAYED_MESSAGE", "payload": {{"message": "hello"}}}}'
    API docs: {docs}
    mail that was sent: {url}/_local/mail    logs of the functions: {logs}
    its AWS, until it stops:
        export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={region} \\
            AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
Ctrl-C stops it.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="Run the synthesized stack on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until Ctrl-C")
    serving.add_argument("--port", type=int, default=4510, help="on 127.0.0.1; 0 is any free one (4510)")
    serving.add_argument("--env", default="dev", help="whose template (dev)")
    commands.add_parser("demo", help="run tasks of every kind, show them, stop")
    arguments = parser.parse_args()
    if arguments.command == "demo":
        from local.demo.main import main as demo

        return demo()
    return serve(arguments.port, arguments.env)


def serve(port: int, environment: str) -> int:
    """Serve until SIGINT or SIGTERM; the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print("Starting (a changed stack is synthesized first) ...", flush=True)
    try:
        system = LocalSystem.start(
            port=port, environment=environment, directory=ENDPOINT_FILE.parent, report=print_line, wait=False
        )
    except (PortTaken, cloud_assembly.CloudAssemblyError, TemplateError) as problem:
        print(problem, file=sys.stderr)
        return 1
    with system, endpoint_file(system, ENDPOINT_FILE):
        welcome = _WELCOME.format(
            url=system.url,
            docs=f"{system.url}/docs",
            logs=os.path.relpath(system.directory / "logs"),
            endpoint=system.endpoint,
            region=REGION,
            key=system.admin.access_key,
            secret=system.admin.secret,
        )
        print(welcome, flush=True)
        stop.wait()
    return 0


@contextlib.contextmanager
def endpoint_file(system: LocalSystem, path: Path) -> Iterator[None]:
    """Write the file in which clients find the system's URL and the keys of its AWS, readable by its owner only. It is
    removed at the end, unless another system has replaced it."""
    aws = {
        "endpoint": system.endpoint,
        "region": REGION,
        "accessKeyId": system.admin.access_key,
        "secretAccessKey": system.admin.secret,
    }
    text = json.dumps({"url": system.url, "docs": f"{system.url}/docs", "aws": aws}) + "\n"
    path.parent.mkdir(exist_ok=True)
    # Written to a new file, then renamed: so others cannot read it, whatever mode an older file had. Clients refuse
    # a file that others may write.
    fd, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with open(fd, "w") as file:
        file.write(text)
    os.replace(beside, path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                path.unlink()


if __name__ == "__main__":
    sys.exit(main())
