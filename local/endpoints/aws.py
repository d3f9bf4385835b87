"""The AWS endpoint of functions and tests: authenticates, authorizes and counts each call, then moto answers it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email import message_from_string, policy
from typing import Any

from local.aws import calls, moto_backends
from local.aws.calls import AwsCall
from local.aws.capacity import item_bytes
from local.aws.moto_queues import has_visible_message
from local.aws.principals import Principal, Principals, Signature
from local.clock import Clock
from local.functions.function import Function
from local.http_server import Request, Response
from local.step_functions.executions import Executions
from local.template.roles import PermissionDenied
from local.usage import Usage

_WRITES = ("PutItem", "UpdateItem", "DeleteItem")


@dataclass(frozen=True)
class Mail:
    """A mail that SES accepted. `at`: epoch seconds."""

    sender: str
    to: list[str]
    subject: str
    body: str
    at: float


class AwsEndpoint:
    """Serves AWS requests. The hooks notify event sources of queues and schedules that a call may have changed."""

    def __init__(self, principals: Principals, usage: Usage, clock: Clock, report: Callable[[str], None]) -> None:
        self._principals = principals
        self.current_caller = "admin"  # label of the principal whose call is being answered
        self.functions: Mapping[str, Function] = {}
        self.mail: deque[Mail] = deque(maxlen=1000)
        self.queue_changed: Callable[[str], None] = lambda _: None
        self.schedule_changed: Callable[[str, str], None] = lambda *_: None
        self.invoke_async: Callable[[Function, bytes], None] = lambda *_: None
        self.schedule_error: Callable[[AwsCall], Response | None] = lambda _: None
        self.executions: Executions | None = None
        self.interceptor: Callable[[str, AwsCall, Callable[[], Response]], Response] = lambda caller, call, answer: (
            answer()
        )
        """Wraps each call that moto answers: a bench counts there, and a test injects faults."""
        self._usage = usage
        self._clock = clock
        self._report = report
        self._long_polls: dict[str, set[asyncio.Event]] = defaultdict(set)

    def serve(self, request: Request) -> Response | Awaitable[Response]:
        signature = Signature.from_request(request)
        if signature is None:
            return calls.error_response(
                "sts", "MissingAuthenticationToken", "Request is missing Authentication Token", 403
            )
        service, principal = signature.service, self._principals.get(signature.access_key)
        if principal is None:
            return calls.error_response(
                service, "UnrecognizedClientException", "The security token included in the request is invalid.", 403
            )
        if not signature.is_valid(principal.secret, request):
            return calls.wrong_signature_response(service)
        try:
            call = AwsCall.from_request(service, request)
        except ValueError:
            return calls.error_response(service, "SerializationException", "the body is not JSON")
        self._usage.count(principal.label, service, call.operation)
        try:
            states = self.executions if service == "states" else None
            principal.require(states.required_permissions(call) if states else call.required_permissions())
        except PermissionDenied as denied:
            message = denied.message(principal.arn)
            self._report(message)
            return calls.access_denied_response(service, message)
        match service:
            case "lambda" if call.operation == "Invoke":
                return self._invoke(call, request)
            case "sqs" if call.operation == "ReceiveMessage" and call.parameters.get("WaitTimeSeconds"):
                return self._long_poll(principal, call, request)
            case "scheduler" if refused := self.schedule_error(call):
                return refused
            case "states" if states := self.executions:
                return self.interceptor(principal.label, call, lambda: states.serve(call))
        return self.interceptor(principal.label, call, lambda: self._answer(principal, call, request))

    def _answer(self, principal: Principal, call: AwsCall, request: Request) -> Response:
        self.current_caller = principal.label
        response = moto_backends.respond(call.service, request)
        match call.service:
            case "dynamodb":
                self._count_units(principal.label, call, response)
            case "sqs" if response.status == 200:
                self.notify_queue(call.queue)
            case "sns" if response.status == 200 and call.operation in ("Publish", "PublishBatch"):
                for queue in moto_backends.backend("sqs").queues:
                    self.notify_queue(queue)
            case "scheduler" if response.status == 200 and call.path.startswith("/schedules/"):
                self.schedule_changed(*call.schedule)
            case "ses" if response.status == 200 and call.operation in ("SendEmail", "SendRawEmail"):
                self._record_mail(call.path.startswith("/v2/"))
        return response

    async def _invoke(self, call: AwsCall, request: Request) -> Response:
        """Lambda's Invoke, for Step Functions and for tests."""
        name = call.path.split("/")[3].split(":function:")[-1].split(":")[0]
        function = next((f for f in self.functions.values() if name in (f.spec.name, f.spec.arn)), None)
        if function is None:
            return calls.error_response("lambda", "ResourceNotFoundException", f"Function not found: {name}", 404)
        if request.headers.get("x-amz-invocation-type") == "Event":
            self.invoke_async(function, request.body or b"{}")
            return Response(202)
        result = await function.invoke(request.body or b"{}")
        headers = [("content-type", "application/json"), ("x-amzn-requestid", result.request_id)]
        headers += [("x-amz-executed-version", "$LATEST")]
        headers += [("x-amz-function-error", "Unhandled")] if result.failed else []
        return Response(200, result.payload, headers)

    def notify_queue(self, name: str) -> None:
        """A message may have become visible in this queue."""
        self.queue_changed(name)
        for changed in self._long_polls.get(name, ()):
            changed.set()

    async def _long_poll(self, principal: Principal, call: AwsCall, request: Request) -> Response:
        """Wait for a message here: waiting in moto would block the event loop."""
        until = self._clock.now() + float(call.parameters["WaitTimeSeconds"])
        queue = moto_backends.backend("sqs").queues.get(call.queue)
        changed = asyncio.Event()
        self._long_polls[call.queue].add(changed)
        try:
            while (
                not request.gone()
                and queue is not None
                and self._clock.now() < until
                and not has_visible_message(queue, self._clock.now_ms())
            ):
                changed.clear()
                # Checked every 20 ms as well: messages become visible, and the virtual clock moves, without a call.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), 0.02)
        finally:
            self._long_polls[call.queue].discard(changed)
        if request.gone():
            return Response(
                200
            )  # else the message would be hidden from other consumers until its visibility timeout ends
        body = json.dumps({**call.parameters, "WaitTimeSeconds": 0}).encode()
        now = Request(request.method, request.target, request.headers, body)
        return self.interceptor(principal.label, call, lambda: self._answer(principal, call, now))

    def _count_units(self, caller: str, call: AwsCall, response: Response) -> None:
        """Count units of reads and of refused writes. `Stream.add` counts the other writes."""
        if call.operation in _WRITES:
            if response.status != 200 and b"ConditionalCheckFailed" in response.body:
                # A write that its condition refuses costs as much as the item's size.
                table = moto_backends.backend("dynamodb").tables[call.parameters["TableName"]]
                keys = call.parameters.get("Key") or call.parameters["Item"]
                item = table.items.get(_key(keys, table.hash_key_attr), {}).get(_key(keys, table.range_key_attr))
                size = item.size() if item else 0
                self._usage.write_units[caller] += max(1, math.ceil(size / 1024))
        elif response.status == 200 and call.operation in ("GetItem", "Query", "Scan", "BatchGetItem"):
            answer = json.loads(response.body)
            consistent = bool(call.parameters.get("ConsistentRead"))
            if call.operation == "BatchGetItem":
                for table_name, items in answer.get("Responses", {}).items():
                    consistent = bool(call.parameters["RequestItems"][table_name].get("ConsistentRead"))
                    for item in items:
                        self._usage.read(caller, item_bytes(item), consistent)
            else:
                items = answer.get("Items") or [answer.get("Item")]
                self._usage.read(caller, sum(map(item_bytes, items)), consistent)

    def _record_mail(self, version2: bool) -> None:
        sent: Any = moto_backends.backend("sesv2" if version2 else "ses")
        message = (sent.core_backend if hasattr(sent, "core_backend") else sent).sent_messages.pop()
        if hasattr(message, "raw_data"):
            parsed: Any = message_from_string(message.raw_data, policy=policy.default)
            part = parsed.get_body(("plain", "html"))
            to, subject, body = message.destinations, parsed["subject"], part.get_content() if part else ""
        else:
            to = [address for addresses in message.destinations.values() for address in addresses]
            subject, body = message.subject, message.body
        mail = Mail(message.source, list(to), str(subject), str(body), self._clock.now())
        self.mail.append(mail)
        self._report(f"a mail to {len(mail.to)} addresses: GET /_local/mail shows it")


def _key(keys: dict[str, Any], name: str | None) -> Any:
    from moto.dynamodb.models.dynamo_type import DynamoType

    return DynamoType(keys[name]) if name else None
