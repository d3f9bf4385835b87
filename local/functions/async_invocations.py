"""Asynchronous invocations: Lambda's own queue in front of a function, its retries, its destination for failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from local.clock import Clock, VirtualTimers
from local.functions.function import Function
from local.template.roles import Permission, PermissionDenied
from local.template.stack import Stack

# AWS: what Lambda does where a function has no AWS::Lambda::EventInvokeConfig.
_RETRIES = 2
_OLDEST_SECONDS = 6 * 3600
_PAUSES = (60.0, 120.0)


class AsyncInvocations:
    """Asynchronous invocations. `send(queue_arn, text)` puts a message of Lambda's own into a queue."""

    def __init__(self, stack: Stack, *, clock: Clock, timers: VirtualTimers, send: Callable[[str, str], None]) -> None:
        self._clock = clock
        self._timers = timers
        self._send = send
        self._running: set[asyncio.Task[None]] = set()
        self._configs: dict[str, dict[str, Any]] = {}
        for properties in map(stack.properties, stack.of_type("AWS::Lambda::EventInvokeConfig")):
            if function := stack.find_function(properties["FunctionName"]):
                self._configs[function.arn] = properties

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def invoke(self, function: Function, payload: bytes) -> None:
        self._begin(function, payload, self._clock.now(), 1)

    def _begin(self, function: Function, payload: bytes, since: float, attempt: int) -> None:
        task = asyncio.ensure_future(self._attempt(function, payload, since, attempt))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _attempt(self, function: Function, payload: bytes, since: float, attempt: int) -> None:
        result = await function.invoke(payload)
        if not result.failed:
            return
        config = self._configs.get(function.spec.arn, {})
        pause = _PAUSES[min(attempt, len(_PAUSES)) - 1]
        oldest = config.get("MaximumEventAgeInSeconds", _OLDEST_SECONDS)
        if attempt <= config.get("MaximumRetryAttempts", _RETRIES) and self._clock.now() + pause - since <= oldest:
            self._timers.after(pause, lambda: self._begin(function, payload, since, attempt + 1))
            return
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            self._give_up(function, payload, destination, attempt, json.loads(result.payload))

    def _give_up(self, function: Function, payload: bytes, destination: str, attempt: int, error: Any) -> None:
        record = {
            "version": "1.0",
            "timestamp": self._clock.now_ms(),
            "requestContext": {
                "functionArn": f"{function.spec.arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": attempt,
            },
            "requestPayload": json.loads(payload),
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": error,
        }
        try:
            function.spec.role.require([Permission("sqs:SendMessage", destination)])
            self._send(destination, json.dumps(record))
        except PermissionDenied as denied:
            print(f"{function.spec.label} may not send to its destination: {denied.reason()}")
