"""stdout and stderr whose reader may close them early: `taskyard submit … --wait | head -1`."""

import contextlib
import os
import select
import stat
import sys
from collections.abc import Iterator
from typing import Any


class ClosableOutput:
    """A stream that drops its output after its reader has closed it. The exit code stays that of the task."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.reader_closed = False

    def write(self, text: str) -> int:
        if not self.reader_closed:
            with self._until_closed():
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if not self.reader_closed:
            with self._until_closed():
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _until_closed(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.reader_closed = True
            # Python flushes its buffer at exit: into the null device.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@contextlib.contextmanager
def closable_outputs() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    out, err = ClosableOutput(sys.stdout), ClosableOutput(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def output_is_closed() -> bool:
    """Whether the reader of stdout has closed it, so that an endless output can end. Also detected when nothing was
    written."""
    if isinstance(sys.stdout, ClosableOutput) and sys.stdout.reader_closed:
        return True
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    if not hasattr(select, "poll") or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return False
    poller = select.poll()
    poller.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poller.poll(0))
