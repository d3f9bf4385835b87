"""Step Functions, as far as single tasks need it: executions are started under a name, once. None is run here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.simulation.world import World


class ExecutionAlreadyExists(ClientError):
    pass


class TaskDoesNotExist(ClientError):
    pass


class Executions:
    """boto3's client of Step Functions, as far as the functions speak it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started: dict[str, str] = {}
        """Name → input."""

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation == "send_task_success":
            raise TaskDoesNotExist({"Error": {"Code": "TaskDoesNotExist", "Message": ""}}, "SendTaskSuccess")
        assert operation == "start_execution", operation
        name = arguments["name"]
        if name in self.started:
            # AWS: with the same input, and while the first one runs, that one is answered.
            if self.started[name] == arguments["input"] and self.world.faults.coin():
                return {"executionArn": name}
            raise ExecutionAlreadyExists({"Error": {"Code": "ExecutionAlreadyExists", "Message": ""}}, "StartExecution")
        self.started[name] = arguments["input"]
        self.world.count("notifications started")
        return {"executionArn": name}
