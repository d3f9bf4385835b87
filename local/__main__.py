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
from typing import Any

from local.system import LocalSystem, PortTaken, print_line
from local.template import cloud_assembly
from local.template.intrinsics import REGION, TemplateError

ENDPOINT_FILE = cloud_assembly.PROJECT / ".local" / "endpoint.json"
_HEAD = """
Taskyard is running: {url}
    API docs: {docs}
"""
_TOKENS = """\
    a token, role admin, for twelve hours:
        {token}
    a task (as one line, it can be pasted):
        curl -s {url}/tasks -H 'content-type: application/json' -H 'authorization: Bearer {token}' -d '{task}'
    other tokens: taskyard token --role viewer --tenant other --ttl 1h
"""
_SIGNATURES = """\
    the API for SigV4 signatures: {iam_url}
        export TASKYARD_URL={iam_url} TASKYARD_AUTH=iam, with the keys below, or local-<name> with the secret "local"
"""
_AWS = """\
    mail that was sent: {url}/_local/mail    logs of the functions: {logs}
    its AWS, until it stops:
        export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={region} \\
            AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
Ctrl-C stops it.
"""
_TASK = '{"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}'


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
    token = system.token()
    with system, endpoint_file(system, token, ENDPOINT_FILE):
        print(welcome(system, token), flush=True)
        stop.wait()
    return 0


def welcome(system: LocalSystem, token: str | None) -> str:
    """`token`: None for a template without an API that takes tokens."""
    text = _HEAD + (_TOKENS if token else "") + (_SIGNATURES if system.iam_url else "") + _AWS
    return text.format(
        url=system.url,
        docs=f"{system.url}/docs",
        token=token,
        task=_TASK,
        iam_url=system.iam_url,
        logs=os.path.relpath(system.directory / "logs"),
        endpoint=system.endpoint,
        region=REGION,
        key=system.admin.access_key,
        secret=system.admin.secret,
    )


@contextlib.contextmanager
def endpoint_file(system: LocalSystem, token: str | None, path: Path) -> Iterator[None]:
    """Write the file in which clients find the system's URLs, a token and the keys of its AWS, readable by its owner
    only. It is removed at the end, unless another system has replaced it."""
    aws = {
        "endpoint": system.endpoint,
        "region": REGION,
        "accessKeyId": system.admin.access_key,
        "secretAccessKey": system.admin.secret,
    }
    document: dict[str, Any] = {"url": system.url, "docs": f"{system.url}/docs", "aws": aws}
    if token:
        document |= {"token": token, "tokenSecret": system.token_secret}
    if system.iam_url:
        document["iamUrl"] = system.iam_url
    text = json.dumps(document) + "\n"
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
