"""The dead-letter function: takes wake-ups whose receives failed too often from the dead-letter queues."""

from __future__ import annotations

from constructs import Construct

from ..resources.lanes import Lane
from .function import Function
from .shared_resources import SharedResources

BATCH_SIZE = 10


class DeadLetter(Construct):
    """Every lane's dead-letter queue → dead-letter function, which settles the task or sends its wake-up again."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        lanes = shared.lanes
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="dead-letter",
            timeout_seconds=30,
            memory=256,
            # A wake-up that it sends may come back to it while workers are throttled: docs/adr/0010.
            recursive=True,
            environment=shared.task_environment(),
            statements=[
                shared.storage.allow_records("GetItem", "BatchGetItem", "Query", "UpdateItem"),
                lanes.allow_consume_dead_letters(),
                *shared.allow_consequences(),
            ],
        )
        for lane in lanes.lanes:
            self.consume(lane, scope=self, id=f"{lane.name.title()}Source")

    def consume(self, lane: Lane, *, scope: Construct, id: str) -> None:
        """Take the dead letters of a lane, which its statement lets it, too."""
        self.function.add_queue_source(lane.dead_letters, scope=scope, id=id, batch_size=BATCH_SIZE)
