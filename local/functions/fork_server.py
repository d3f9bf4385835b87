"""Function processes: forked by the fork server, each talking to a Lambda Runtime API of its own."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from local.clock import Clock
from local.template import cloud_assembly

_PROGRAM = Path(__file__).with_name("fork_server_program.py")
# Shared by all runs: compiling what the functions import takes seconds.
BYTECODE = cloud_assembly.PROJECT / ".local" / "pycache"


class ForkServer:
    """The fork server of the functions that have the same layers, and code below `roots`.

    The constructor returns at once; requests wait for the second that its imports take. `layers` are the
    directories that are searched for imports, before the standard library as on Lambda; nothing else is.
    """

    def __init__(
        self, clock: Clock, *, layers: Sequence[Path], roots: Iterable[Path], services: Iterable[str], directory: Path
    ) -> None:
        self._exits: dict[int, Callable[[int], None]] = {}
        self._next = 0
        self._pending = b""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._socket = ours
        options = {
            "clock": clock.fd,
            "control": theirs.fileno(),
            "modules": sorted({module for root in set(roots) for module in third_party_imports(root)}),
            "services": sorted(services),
            "layers": [str(layer) for layer in layers],
            "runtime": _runtime_client_folder(),
        }
        directory.mkdir(parents=True, exist_ok=True)
        program = [sys.executable, "-I", "-S", "-X", f"pycache_prefix={BYTECODE}", str(_PROGRAM)]
        with open(directory / "fork-server.log", "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*program, json.dumps(options)],
                pass_fds=(clock.fd, theirs.fileno()),
                env={"PATH": os.environ.get("PATH", os.defpath)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal does not reach the functions
            )
        theirs.close()
        asyncio.get_running_loop().add_reader(ours, self._read)

    @property
    def pid(self) -> int:
        return self._process.pid

    def spawn(self, handler: str, root: Path, log: Path, env: dict[str, str], exited: Callable[[int], None]) -> int:
        """Fork a function process; its id. `exited` is called once, with its wait status."""
        self._next += 1
        self._exits[self._next] = exited
        self._send({"spawn": self._next, "handler": handler, "root": str(root), "log": str(log), "env": env})
        return self._next

    def kill(self, process: int) -> None:
        if process in self._exits:
            self._send({"kill": process})

    def close(self) -> None:
        """End the fork server, and with it every function process."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        self._socket.setblocking(True)  # a few KB: the socket's buffer holds them until the server reads
        try:
            self._socket.sendall(data)
        finally:
            self._socket.setblocking(False)

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._socket)
            for exited in list(self._exits.values()):
                exited(1)
            self._exits.clear()
            print("the fork server of function processes ended; see its log", file=sys.stderr)
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self._exits.pop(message["exited"])(message["status"])


def _runtime_client_folder() -> str:
    """The directory that holds Lambda's runtime client: this environment's packages."""
    found = importlib.util.find_spec("awslambdaric")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parents[1])


def third_party_imports(root: Path) -> set[str]:
    """Modules that the code under `root` imports at the top of its files and that are not its own."""
    own = {path.name.removesuffix(".py") for path in root.iterdir()}
    found: set[str] = set()
    for path in root.rglob("*.py"):
        try:
            nodes = ast.parse(path.read_bytes()).body
        except SyntaxError:
            continue  # the function that imports it reports it
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in own | {"__future__"}}
