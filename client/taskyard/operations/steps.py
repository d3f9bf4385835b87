"""What an operation of the API does, as steps without I/O: each operation is written once, and both clients perform it.

An operation is a generator. It yields a step, and gets back what the step brought: the response to a `Transmit`,
nothing for a `Sleep`. `Taskyard` performs the steps one after the other, `AsyncTaskyard` awaits them.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from taskyard.errors import Unreachable
from taskyard.transport.call import Call, Request, Response
from taskyard.transport.connection import Connection, RequestRetries

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send the request once. seconds: the time that it may take."""

    request: Request
    seconds: float


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


Step = Transmit | Sleep
Steps = Generator[Step, Any, T]


def send(connection: Connection, call: Call[T], within: float | None = None) -> Steps[T]:
    """Sends the call, again where that can help, and reads the answer. within: seconds that all attempts may take."""
    retries = RequestRetries(connection, within)
    while True:
        outcome: Response | Unreachable = yield Transmit(call.request, retries.seconds_left())
        pause = retries.next_pause(outcome)
        if pause is None:
            if isinstance(outcome, Unreachable):
                raise outcome
            return call.result(outcome, repeated=retries.may_have_been_carried_out)
        if pause > 0:
            yield Sleep(pause)
