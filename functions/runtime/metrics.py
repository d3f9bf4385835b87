"""Metrics in CloudWatch's embedded metric format: one JSON line per invocation, no call.

Written here and not by Powertools because importing that package costs a worker a fifth of its cold start
(`make bench-init`); the format is https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

NAMESPACE = "Taskyard"
VALUES_PER_METRIC = 100
"""AWS: an array of more than 100 values is refused."""


class Metrics:
    """Collects the values of one invocation, from any thread; `flush` writes them. Dimensions: Environment; Environment
    and Lane for values with a `lane`."""

    def __init__(self, environment_name: str, *, out: IO[str] | None = None) -> None:
        self._environment = environment_name
        self._out = out
        self._values: dict[str | None, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._lock = threading.Lock()

    def count(self, name: str, *, lane: str | None = None, times: int = 1) -> None:
        with self._lock:
            counts = self._values[lane][name]
            counts[:] = [sum(counts) + times]

    def time(self, name: str, milliseconds: float, *, lane: str) -> None:
        with self._lock:
            self._values[lane][f"{name}:ms"].append(round(milliseconds, 1))

    @contextmanager
    def invocation(
        self, errors: str, *, by_design: tuple[type[Exception], ...], clock: Callable[[], int]
    ) -> Iterator[None]:
        """Around one invocation by a state machine, in which an exception asks for another try. Counts exceptions other
        than `by_design` as the metric `errors`, for the alarm: Lambda's own metric counts all of them. Flushes at the
        end. `clock`: epoch ms."""
        try:
            yield
        except by_design:
            raise
        except Exception:
            self.count(errors)
            raise
        finally:
            self.flush(clock())

    def flush(self, now: int) -> None:
        """`now`: epoch ms. Writes one line for each lane and 100 values, and nothing without values."""
        with self._lock:
            collected, self._values = self._values, defaultdict(lambda: defaultdict(list))
        out = self._out or sys.stdout
        for lane, metrics in collected.items():
            while metrics:
                print(self._line(lane, metrics, now), file=out, flush=True)
                metrics = {name: rest for name, values in metrics.items() if (rest := values[VALUES_PER_METRIC:])}

    def _line(self, lane: str | None, metrics: dict[str, list[float]], now: int) -> str:
        definitions, values = [], {}
        for key, collected in metrics.items():
            name, _, milliseconds = key.partition(":")
            definitions.append({"Name": name, "Unit": "Milliseconds" if milliseconds else "Count"})
            values[name] = collected[:VALUES_PER_METRIC] if len(collected) > 1 else collected[0]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["Environment"], ["Environment", "Lane"]] if lane else [["Environment"]],
            "Metrics": definitions,
        }
        return json.dumps(
            {
                "_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]},
                "Environment": self._environment,
                **({"Lane": lane} if lane else {}),
                **values,
            },
            separators=(",", ":"),
        )
