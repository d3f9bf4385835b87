"""What reached a dead-letter queue: wake-ups that crashed too often, or were never let in."""

from __future__ import annotations

from constructs import Construct

from infra.functions.function import Function
from infra.functions.shared_resources import SharedResources

BATCH_SIZE = 10


class DeadLetter(Construct):
    """Every lane's dead-letter queue → one dead-letter function, which settles the task or sends its wake-up round."""

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
            # What it sends round may come back to it for as long as workers are throttled: docs/adr/0010.
            recursive=True,
            environment=shared.task_environment(),
            statements=[
                shared.storage.allow_records("GetItem", "BatchGetItem", "Query", "UpdateItem"),
                lanes.allow_consume_dead_letters(),
                *shared.allow_consequences(),
            ],
        )
        for lane in lanes.lanes:
            self.function.add_queue_source(
                lane.dead_letters, scope=self, id=f"{lane.name.title()}Source", batch_size=BATCH_SIZE
            )
