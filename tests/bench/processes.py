"""The contenders' processes: each in a session of its own, so that all of it can be found, and ended, together."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

TICKS = os.sysconf("SC_CLK_TCK")


class ContenderFailed(Exception):
    """A contender's process ended, or does not answer. `log`: the end of what it wrote."""

    def __init__(self, command: Command, log: str) -> None:
        super().__init__(f"{' '.join(command.argv[:6])}: {log.strip()[-600:]}")


@dataclass(frozen=True)
class Command:
    """What to start, and where its standard error goes."""

    argv: tuple[str, ...]
    env: dict[str, str]
    log: Path


class Process:
    """One command, in a session of its own. `order`: JSON in, JSON out, a line each."""

    def __init__(self, command: Command) -> None:
        self.command = command
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                command.argv,
                env=command.env,
                cwd=command.log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, seconds: float) -> Any:
        """The next line that it writes. Raises ContenderFailed."""
        out: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        if not select.select([out], [], [], seconds)[0]:
            raise ContenderFailed(self.command, f"no answer within {seconds:.0f} s")
        line = out.readline()
        if not line:
            raise ContenderFailed(self.command, self.tail())
        return json.loads(line)

    def order(self, within: float, /, **fields: Any) -> Any:
        self.send(**fields)
        return self.answer(within)

    def send(self, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(fields).encode() + b"\n")
        self._process.stdin.flush()

    def end(self, seconds: float = 30.0) -> None:
        """It has no more orders, and ends by itself. Raises ContenderFailed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ContenderFailed(self.command, f"no end within {seconds:.0f} s of its last order") from None

    def tail(self) -> str:
        return self.command.log.read_text(errors="replace")[-2000:]

    def cpu_seconds(self) -> float:
        """Used so far by the processes of its session that live."""
        return sum(seconds for sid, seconds in _all_cpu() if sid == self.pid)

    def signal(self, number: int) -> None:
        """To every process of its session."""
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL, to all of its session at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for what remains."""
        if self.alive:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def running(*commands: Command) -> Iterator[list[Process]]:
    started: list[Process] = []
    try:
        for command in commands:
            started.append(Process(command))  # noqa: PERF401 - those that started are ended when one does not
        yield started
    finally:
        for process in started:
            process.kill()
            process.stop()


def _all_cpu() -> Iterator[tuple[int, float]]:
    """(session, CPU seconds) of every process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            yield int(fields[3]), (int(fields[11]) + int(fields[12])) / TICKS


def _session(sid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == sid:
                found.append(int(stat.parent.name))
    return found


def wait_until(done: Any, seconds: float, pause: float = 0.02) -> bool:
    """Whether `done()` came true within so many real seconds."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
    return True
