"""The notification machine in process: what was started, and its attempts one by one, on the test's clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.core.times import epoch_ms, iso_time
from functions.notifier.delivery import AskedToWaitError, NotDeliveredError, retry_pause_seconds
from tests.integration.cloud import Cloud

if TYPE_CHECKING:
    from tests.integration.conftest import Clock

MACHINE = "taskyard-test-notifications"
MOST_RETRIES = 33
"""As the machine of infra/functions/notifier.py; tests/infra/test_notifier.py holds the two together."""


@dataclass
class Machine:
    """`began`: epoch ms, when an execution's first attempt was made."""

    aws: Cloud
    clock: Clock
    began: dict[str, int] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return self.aws.env["NOTIFY_MACHINE_ARN"]

    def make(self) -> None:
        definition = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": True}}}
        made = self.aws.client("stepfunctions").create_state_machine(
            name=MACHINE, definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/machine"
        )
        assert made["stateMachineArn"] == self.arn

    def started(self) -> dict[str, dict[str, Any]]:
        """Name → notification, of every execution there is, in the order of their names."""
        states = self.aws.client("stepfunctions")
        listed = states.list_executions(stateMachineArn=self.arn)["executions"]
        return {
            one["name"]: json.loads(states.describe_execution(executionArn=one["executionArn"])["input"])[
                "notification"
            ]
            for one in sorted(listed, key=lambda one: one["name"])
        }

    def attempt(self, name: str) -> str:
        """One. Returns the state that it ended in; raises what the machine would see."""
        started_at = self.began.setdefault(name, self.clock.now)
        event = {"step": "deliver", "notification": self.started()[name], "startedAt": iso_time(started_at)}
        return str(self.aws.invoke("notifier", event)["state"])

    def run(self, name: str) -> str:
        """To its end, with its pauses."""
        retries = 0
        while True:
            try:
                return self.attempt(name)
            except AskedToWaitError as asked:
                self.clock.now = epoch_ms(str(asked))
                retries = 0
            except NotDeliveredError as error:
                retries += 1
                if retries > MOST_RETRIES:
                    return self.give_up(name, type(error).__name__)
                self.clock.advance(retry_pause_seconds(retries))

    def give_up(self, name: str, error: str) -> str:
        event = {"step": "give-up", "notification": self.started()[name], "error": error}
        return str(self.aws.invoke("notifier", event)["state"])
