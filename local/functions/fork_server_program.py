"""The fork server of function processes: one warm interpreter that each function process is forked from.

Run as a script by the system, in an interpreter of its own with nothing but the standard library on its path, with
one argument, JSON: the file descriptors of the clock's memory and of the control socket (one JSON object a line), the
directories of the functions' layers, the one that holds Lambda's runtime client, and what to import ahead.

    {"spawn": id, "handler": "a.b.c", "root": dir, "log": file, "env": {...}}   start a process
    {"kill": id}                                                               SIGKILL it
    → {"exited": id, "status": wait status}

When the system dies, the socket ends: this process exits, and its children with it (PR_SET_PDEATHSIG where there
is one, else a thread in each that waits for the end of a pipe).
"""

import ctypes
import json
import mmap
import os
import select
import signal
import site
import socket
import sys
import threading
import time
from typing import Any

PR_SET_PDEATHSIG = 1
# What Lambda's runtime puts beside every handler: its client, and the hooks that a handler may register with.
RUNTIME_PACKAGES = ("awslambdaric", "runtime_client", "snapshot_restore_py")


def share_clock(fd: int) -> None:
    """Put `time.time` on the virtual clock, before anything else can import the real one by name."""
    offset = memoryview(mmap.mmap(fd, 8)).cast("q")
    wall_ns = time.time_ns
    time.time_ns = lambda: wall_ns() + offset[0]
    time.time = lambda: (wall_ns() + offset[0]) / 1e9


def import_ahead(modules: list[str], services: list[str]) -> None:
    """Import what the functions import, and read botocore's models once for all."""
    for module in modules:
        try:
            __import__(module)
        except Exception as error:
            print(f"fork server: {module} is not importable here: {error}", file=sys.stderr)
    try:
        import botocore.loaders
        import botocore.session
        from botocore.exceptions import UnknownServiceError
    except ImportError:
        return  # no layer has it

    load_file, parsed = botocore.loaders.JSONFileLoader.load_file, {}

    def load_once(self, path):  # type: ignore[no-untyped-def]
        if path not in parsed:
            parsed[path] = load_file(self, path)
        return parsed[path]

    botocore.loaders.JSONFileLoader.load_file = load_once
    session = botocore.session.Session()
    for service in services:
        try:
            session.create_client(service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106
        except UnknownServiceError as error:
            print(f"fork server: {error}", file=sys.stderr)


def run_runtime(directory: str, handler: str, address: str) -> None:
    """Run Lambda's runtime client, which is in the developer's environment. Nothing else of that can be imported: the
    directory is off the path again before the handler is imported, and what the client uses itself is forgotten."""
    known = set(sys.modules)
    sys.path.append(directory)
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    for name in RUNTIME_PACKAGES:
        __import__(name)  # some of it the client imports only when it is used
    sys.path.remove(directory)
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(directory) and name.partition(".")[0] not in RUNTIME_PACKAGES:
            del sys.modules[name]

    host, _, key = address.partition("/")

    class KeyedClient(LambdaRuntimeClient):  # type: ignore[misc]
        """The part of the client in C takes an address with a path, this one does not."""

        def call_rapid(self, http_method, endpoint, *arguments, **options):  # type: ignore[no-untyped-def]
            super().call_rapid(http_method, f"/{key}{endpoint}", *arguments, **options)

    bootstrap.run(handler, KeyedClient(host))


def become_function(spawn: dict[str, Any], parent: int, alive: int, runtime: str) -> None:
    """The forked child; it leaves by an exception or a signal."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        threading.Thread(target=lambda: (os.read(alive, 1), os._exit(1)), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    null, log = os.open(os.devnull, os.O_RDONLY), os.open(spawn["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for fd, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    os.environ.clear()
    os.environ.update(spawn["env"])
    time.tzset()
    os.chdir(spawn["root"])
    sys.path.insert(0, spawn["root"])
    sys.argv = ["bootstrap", spawn["handler"]]
    run_runtime(runtime, spawn["handler"], spawn["env"]["AWS_LAMBDA_RUNTIME_API"])


def serve(control: socket.socket, runtime: str) -> None:
    """Fork, kill and report until the control socket ends."""
    wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(wake_out, False)
    alive, _alive_in = os.pipe()  # its write end lives exactly as long as this process
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_out)
    server = os.getpid()
    children: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([control.fileno(), wake_in], [], [])
        if wake_in in ready:
            os.read(wake_in, 4096)
        if control.fileno() in ready:
            data = control.recv(65536)
            if not data:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                os._exit(0)  # taking down an interpreter this large would take half a second
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "spawn" in message:
                    pid = os.fork()
                    if pid == 0:
                        control.close()
                        os.close(_alive_in)
                        become_function(message, server, alive, runtime)
                    children[pid] = message["spawn"]
                else:
                    for pid, child in children.items():
                        if child == message["kill"]:
                            os.kill(pid, signal.SIGKILL)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            control.sendall(json.dumps({"exited": children.pop(pid), "status": status}).encode() + b"\n")


def main() -> None:
    options = json.loads(sys.argv[1])
    share_clock(options["clock"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # `-S` keeps every installed package off the path, also of a Python that a handler starts; `exit` and `help`, which
    # come with them, are there on Lambda.
    sys.executable = os.path.realpath(sys.executable)
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path[:0] = options["layers"]
    control = socket.socket(fileno=options["control"])
    import_ahead(options["modules"], options["services"])
    serve(control, options["runtime"])


if __name__ == "__main__":
    main()
