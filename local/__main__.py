"""`python -m local serve`, `python -m local dev` and `python -m local demo`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from local.dev.app import UserApp
from local.serving import endpoint_file, welcome
from local.system import LocalSystem, PortTaken, print_line
from local.template import cloud_assembly
from local.template.intrinsics import TemplateError

ENDPOINT_FILE = cloud_assembly.PROJECT / ".local" / "endpoint.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="Run the synthesized stack on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until Ctrl-C")
    serving.add_argument("--port", type=int, default=4510, help="on 127.0.0.1; 0 is any free one (4510)")
    serving.add_argument("--env", default="dev", help="whose template (dev)")
    commands.add_parser("demo", help="run tasks of every kind, show them, stop")
    developing = commands.add_parser("dev", help="run a user's app, reload it when its source changes, until Ctrl-C")
    developing.add_argument("--app", type=Path, default=Path.cwd(), help="the folder of its cdk.json (this one)")
    developing.add_argument("--stack", help="of an app with several that have a Taskyard")
    developing.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE", help="for the app")
    developing.add_argument("--port", type=int, default=4510, help="on 127.0.0.1; 0 is any free one (4510)")
    developing.add_argument("--directory", type=Path, help="for the endpoint file and logs (.local of the app)")
    developing.add_argument("--no-reload", action="store_true", help="do not watch the source")
    arguments = parser.parse_args()
    if arguments.command == "dev":
        from local.dev.main import develop

        return develop(
            UserApp(arguments.app.resolve(), arguments.stack, dict(map(_context, arguments.context))),
            port=arguments.port,
            directory=arguments.directory,
            reload=not arguments.no_reload,
        )
    if arguments.command == "demo":
        from local.demo.main import main as demo

        return demo()
    return serve(arguments.port, arguments.env)


def _context(value: str) -> tuple[str, str]:
    name, _, content = value.partition("=")
    return name, content


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


if __name__ == "__main__":
    sys.exit(main())
