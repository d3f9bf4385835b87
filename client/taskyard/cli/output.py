"""stdout and stderr whose reader may go away: `taskyard submit … --wait | head -1`."""

import contextlib
import os
import select
import stat
import sys
from collections.abc import Iterator
from typing import Any


class Pipe:
    """What is written after the reader has gone is dropped. What became of the task decides the exit code, not who
    reads of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.reader_gone = False

    def write(self, text: str) -> int:
        if not self.reader_gone:
            with self._until_gone():
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if not self.reader_gone:
            with self._until_gone():
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _until_gone(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.reader_gone = True
            # What is still buffered has to go somewhere when Python ends.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@contextlib.contextmanager
def pipes() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    out, err = Pipe(sys.stdout), Pipe(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def nobody_reads() -> bool:
    """Whether to go on writing what has no end is of use to nobody. Also found where there was nothing to write."""
    if isinstance(sys.stdout, Pipe) and sys.stdout.reader_gone:
        return True
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    if not hasattr(select, "poll") or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return False
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in asked.poll(0))
