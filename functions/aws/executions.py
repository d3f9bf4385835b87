"""Step Functions executions: started under a unique name, answered by task token."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from functions.aws.transient_errors import translate_transient_errors


class Executions:
    """`client` makes boto3's Step Functions client on first use."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self.client = client

    def start(self, machine_arn: str, name: str, input_: dict[str, Any]) -> int | None:
        """Returns the start time in epoch ms, of this call or of an earlier one whose execution still runs. None when
        an execution of this name has ended: AWS accepts a name once in 90 days."""
        states = self.client()
        with translate_transient_errors("StepFunctions"):
            try:
                started = states.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(input_))
            except states.exceptions.ExecutionAlreadyExists:
                return None
        at: datetime = started["startDate"]
        return round(at.timestamp() * 1000)

    def send_success(self, token: str, output: dict[str, Any]) -> bool:
        """False when no execution waits with this token: it was answered before, or is past its deadline."""
        states = self.client()
        not_waiting = (
            states.exceptions.TaskTimedOut,
            states.exceptions.TaskDoesNotExist,
            states.exceptions.InvalidToken,
        )
        with translate_transient_errors("StepFunctions"):
            try:
                states.send_task_success(taskToken=token, output=json.dumps(output))
            except not_waiting:
                return False
        return True
