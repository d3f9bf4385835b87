"""Lambda's queue of events: it invokes the firing function without waiting, and again when that fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulation.deployment import function_arn
from tests.simulation.fibers import SECOND

if TYPE_CHECKING:
    from tests.simulation.queues import Queue
    from tests.simulation.world import World

PAUSES = (60 * SECOND, 120 * SECOND)
"""AWS: between the tries of an event. After them it is put into the function's queue of failures."""


class Events:
    def __init__(self, world: World, failures: Queue) -> None:
        self.world = world
        self.failures = failures

    def invoke(self, given: str, tries: int = 0) -> None:
        """`given`: the event as JSON."""

        def done(answer: Any) -> None:
            if answer is not None:
                return
            if tries < len(PAUSES):
                self.world.hub.after(PAUSES[tries], lambda: self.invoke(given, tries + 1))
            else:
                given_up = {"requestContext": {"functionArn": f"{function_arn('firing')}:$LATEST"}}
                self.failures.send(json.dumps(given_up | {"requestPayload": json.loads(given)}))

        self.world.functions.invoke("firing", json.loads(given), done, "a firing")
