"""How many tasks a pool runs at once, as settings of its event sources. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 10_000
_MOST_INVOCATIONS = 1000  # MaximumConcurrency of an event source is 2 to 1,000


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """Of a lane: `invocations` at once, of `batch_size` tasks each. One invocation is no limit that an event source can
    have, so `is_reserved`: the function reserves it."""

    batch_size: int
    invocations: int

    @property
    def is_reserved(self) -> bool:
        return self.invocations == 1


def concurrencies(max_running: int, *, lanes: int) -> tuple[Concurrency, ...]:
    """For each lane of a pool: together exactly `max_running` tasks while a lane has at most 1,000, never more. A task
    has its invocation, so the memory of the function, to itself for as long. Raises ValueError."""
    if not lanes <= max_running <= LARGEST:
        raise ValueError(f"max_running is {max_running}: it must be {lanes} to {LARGEST}, for {lanes} lanes")
    shares = [max_running // lanes + (lane < max_running % lanes) for lane in range(lanes)]
    return tuple(_of_lane(share) for share in shares)


def _of_lane(tasks: int) -> Concurrency:
    batch_size = -(-tasks // _MOST_INVOCATIONS)
    return Concurrency(batch_size=batch_size, invocations=tasks // batch_size)
