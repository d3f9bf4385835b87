"""What reached a dead-letter queue: wake-ups that crashed too often, or were never let in."""

from __future__ import annotations

from constructs import Construct

from infra.functions.function import Function
from infra.functions.shared_resources import Foundation

BATCH = 10


class DeadLetter(Construct):
    """Every lane's dead-letter queue → one dead-letter function, which settles the task or sends its wake-up round."""

    def __init__(self, scope: Construct, id: str, *, foundation: Foundation) -> None:
        super().__init__(scope, id)
        lanes = foundation.lanes
        self.function = Function(
            self,
            "Handler",
            bundle=foundation.bundle,
            part="dead-letter",
            timeout_seconds=30,
            memory=256,
            # What it sends round may come back to it for as long as workers are throttled: docs/adr/0010.
            recursive=True,
            environment=foundation.task_environment(),
            statements=[
                foundation.storage.records("GetItem", "BatchGetItem", "Query", "UpdateItem"),
                lanes.consume_dead_letters(),
                *foundation.consequences(),
            ],
        )
        for lane in lanes.lanes:
            self.function.take_from(lane.dead_letters, scope=self, id=f"{lane.name.title()}Source", batch=BATCH)
