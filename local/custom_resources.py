"""Declared schedules, which CloudFormation makes: custom resources with a function of the stack behind them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.functions.function import Function
from local.http_server import Request, Response, Server
from local.template.intrinsics import ACCOUNT, REGION, TemplateError
from local.template.stack import Stack

KIND = "Custom::TaskyardSchedule"


@dataclass(frozen=True)
class DeployedResource:
    """`id`: the physical id that the function has answered."""

    id: str
    properties: dict[str, Any]


@dataclass
class CustomResources:
    """What is deployed, by logical id. It runs on the system's loop."""

    deployed: dict[str, DeployedResource] = field(default_factory=dict)

    async def deploy(self, stack: Stack, functions: Mapping[str, Function]) -> None:
        """Make what is new in the stack, change what differs, then delete what it has no longer. Raises TemplateError
        with the reason of the first that fails: those before it stay, and the next call goes on from there."""
        wanted = {name: stack.properties(name) for name in stack.of_type(KIND)}
        if not wanted and not self.deployed:
            return
        answers = AnswerServer()
        await answers.start()
        try:
            for name, properties in wanted.items():
                former = self.deployed.get(name)
                if former is None or former.properties != properties:
                    id = await answers.ask(stack, functions, name, properties, former)
                    self.deployed[name] = DeployedResource(id, properties)
                    if former is not None and former.id != id:
                        # Another physical id: CloudFormation deletes the one before, too.
                        await answers.ask(stack, functions, name, former.properties, former, is_delete=True)
            for name in self.deployed.keys() - wanted.keys():
                former = self.deployed[name]
                await answers.ask(stack, functions, name, former.properties, former, is_delete=True)
                del self.deployed[name]
        finally:
            answers.close()


class AnswerServer:
    """Stands for the bucket that a custom resource's function puts its answer into."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any]] = {}
        self._server: Server | None = None

    async def start(self) -> None:
        self._server = await Server.start(self._take)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def ask(
        self,
        stack: Stack,
        functions: Mapping[str, Function],
        name: str,
        properties: dict[str, Any],
        former: DeployedResource | None,
        *,
        is_delete: bool = False,
    ) -> str:
        """The physical id after the request. Raises TemplateError when the function fails, or answers FAILED."""
        assert self._server is not None
        # What is deleted may name a function that the stack has no longer: then nothing of it is left to delete.
        spec = stack.find_function(properties["ServiceToken"])
        if spec is None and is_delete and former is not None:
            return former.id
        if spec is None:
            raise TemplateError(f"{name}: there is no function {properties['ServiceToken']}")
        request_id = str(uuid.uuid4())
        event = {
            "RequestType": "Delete" if is_delete else "Create" if former is None else "Update",
            "ServiceToken": properties["ServiceToken"],
            "ResponseURL": f"http://{self._server.address}/{request_id}",
            "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack.name}/local",
            "RequestId": request_id,
            "LogicalResourceId": name,
            "ResourceType": KIND,
            "ResourceProperties": properties,
        }
        if former is not None:
            event["PhysicalResourceId"] = former.id
        if former is not None and not is_delete:
            event["OldResourceProperties"] = former.properties
        result = await functions[spec.arn].invoke(json.dumps(event).encode())
        answer = self._answers.pop(request_id, None)
        if answer is None:
            raise TemplateError(f"{name}: its function gave no answer: {result.payload.decode(errors='replace')[:500]}")
        if answer["Status"] != "SUCCESS":
            raise TemplateError(f"{name}: {answer.get('Reason') or 'its function answers FAILED'}")
        return str(answer["PhysicalResourceId"])

    def _take(self, request: Request) -> Response:
        self._answers[request.path.strip("/")] = json.loads(request.body)
        return Response(200)
