"""AWS requests on the wire: their operation, the permissions that it needs, and error responses."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote
from xml.sax.saxutils import escape

from local.aws.s3_permissions import s3_operation, s3_permissions
from local.http_server import Request, Response
from local.template.intrinsics import ACCOUNT, REGION
from local.template.roles import Permission

_ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:"
_JSON_10 = "application/x-amz-json-1.0"

# Signing name → prefix of its actions in policies, where they differ.
_PREFIXES = {"monitoring": "cloudwatch"}

_SCHEDULER = {"POST": "Create", "PUT": "Update", "GET": "Get", "DELETE": "Delete"}
_SQS_SINGLE = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
_TRANSACT = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

# Every local identity has a default configuration set, as identities of an account may: SES checks both.
DEFAULT_CONFIGURATION_SET = "configuration-set/default"


@dataclass(frozen=True)
class AwsCall:
    """One AWS call. `parameters` are those of the JSON or form body."""

    service: str
    operation: str
    parameters: dict[str, Any]
    path: str
    s3: tuple[Permission, ...] = ()
    """For S3: the permissions that the request needs."""

    @classmethod
    def from_request(cls, service: str, request: Request) -> AwsCall:
        content_type = request.headers.get("content-type", "")
        target = request.headers.get("x-amz-target")
        parameters: dict[str, Any] = {}
        if request.body and ("json" in content_type or service in ("scheduler", "lambda")):
            parameters = json.loads(request.body)
        elif content_type.startswith("application/x-www-form-urlencoded"):
            parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if target:
            operation = target.rpartition(".")[2]
        elif "Action" in parameters:
            operation = parameters["Action"]
        else:
            operation = _rest_operation(service, request)
        # Scheduler names the group in the query, where there is no body.
        path = unquote(request.target if service == "scheduler" else request.path)
        return cls(service, operation, parameters, path, tuple(s3_permissions(request)) if service == "s3" else ())

    @property
    def queue(self) -> str:
        """The name of the queue, for SQS."""
        return str(self.parameters.get("QueueUrl", "")).rpartition("/")[2]

    @property
    def schedule(self) -> tuple[str, str]:
        """(group, name) of the schedule, for Scheduler."""
        path, _, query = self.path.partition("?")
        group = self.parameters.get("GroupName") or (parse_qs(query).get("groupName") or ["default"])[0]
        return group, path.removeprefix("/schedules").strip("/")

    def required_permissions(self) -> Iterator[Permission]:
        """The permissions that the caller needs."""
        prefix = _PREFIXES.get(self.service, self.service)
        p = self.parameters
        match self.service:
            case "dynamodb":
                yield from self._dynamodb_permissions()
            case "sqs":
                yield Permission(
                    f"sqs:{_SQS_SINGLE.get(self.operation, self.operation)}", _ARN.format("sqs") + self.queue
                )
            case "s3":
                yield from self.s3
            case "scheduler" if self.path.startswith("/schedules/"):
                group, name = self.schedule
                yield Permission(f"scheduler:{self.operation}", _ARN.format("scheduler") + f"schedule/{group}/{name}")
                if role := p.get("Target", {}).get("RoleArn"):
                    yield Permission("iam:PassRole", role, {"iam:PassedToService": "scheduler.amazonaws.com"})
            case "ses":
                sender = p.get("Source") or p.get("FromEmailAddress") or ""
                address = sender.rpartition("<")[2].rstrip("> ")
                # SES takes a grant for the address or for its domain.
                for resource in ("identity/" + address, DEFAULT_CONFIGURATION_SET):
                    yield Permission(
                        f"ses:{self.operation}", _ARN.format("ses") + resource, {"ses:FromAddress": address}
                    )
            case "sts" if self.operation == "GetCallerIdentity":
                return
            case "lambda":
                name = self.path.split("/")[3] if self.operation == "Invoke" else "*"
                yield Permission("lambda:InvokeFunction", _ARN.format("lambda") + "function:" + name.split(":")[-1])
            case "ssm":
                for name in p.get("Names") or [p.get("Name") or p.get("Path") or "*"]:
                    yield Permission(f"ssm:{self.operation}", _ARN.format("ssm") + "parameter/" + name.lstrip("/"))
            case "states":
                yield Permission(f"states:{self.operation}", p.get("stateMachineArn") or p.get("executionArn") or "*")
            case "secretsmanager":
                name = str(p.get("SecretId") or p.get("Name") or "*")
                # AWS ends a secret's ARN with six characters of its own.
                arn = name if name.startswith("arn:") else _ARN.format("secretsmanager") + f"secret:{name}-000000"
                if not arn.endswith("-000000"):
                    arn += "-000000"  # the caller left AWS's part out
                yield Permission(f"secretsmanager:{self.operation}", arn)
            case "sns":
                operation = "Publish" if self.operation == "PublishBatch" else self.operation
                yield Permission(f"sns:{operation}", p.get("TopicArn") or p.get("TargetArn"))
            case "kms":
                yield Permission(f"kms:{self.operation}", self._kms_key())
            case "events" if self.operation == "PutEvents":
                for entry in p.get("Entries", []):
                    bus = str(entry.get("EventBusName") or "default")
                    arn = bus if bus.startswith("arn:") else _ARN.format("events") + "event-bus/" + bus
                    yield Permission("events:PutEvents", arn)
            case _:
                yield Permission(f"{prefix}:{self.operation}", None)

    def _kms_key(self) -> str | None:
        """The ARN of the key. None for an alias: which key it stands for is moto's knowledge."""
        key = self.parameters.get("KeyId")
        if key is None and "CiphertextBlob" in self.parameters:
            # moto begins a ciphertext with the id of its key.
            with contextlib.suppress(ValueError):
                key = base64.b64decode(self.parameters["CiphertextBlob"])[:36].decode()
        if key is None or "alias/" in key:
            return None
        return str(key) if key.startswith("arn:") else _ARN.format("kms") + "key/" + key

    def _dynamodb_permissions(self) -> Iterator[Permission]:
        p = self.parameters
        tables = _ARN.format("dynamodb") + "table/"
        if self.operation in ("TransactWriteItems", "TransactGetItems"):
            for member in p.get("TransactItems", []):
                for kind, request in member.items():
                    yield Permission(f"dynamodb:{_TRANSACT.get(kind, 'GetItem')}", tables + request["TableName"])
        elif "RequestItems" in p:
            for table in p["RequestItems"]:
                yield Permission(f"dynamodb:{self.operation}", tables + table)
        else:
            index = f"/index/{p['IndexName']}" if "IndexName" in p else ""
            yield Permission(f"dynamodb:{self.operation}", tables + str(p.get("TableName", "*")) + index)


def _rest_operation(service: str, request: Request) -> str:
    """The operation of a service whose protocol is REST; for S3 its name in policies."""
    method, path = request.method, request.path
    if service == "scheduler":
        if path.rstrip("/") in ("/schedules", "/schedule-groups"):
            return "ListSchedules" if path.startswith("/schedules") else "ListScheduleGroups"
        return _SCHEDULER.get(method, method) + ("Schedule" if path.startswith("/schedules/") else "ScheduleGroup")
    if service == "s3":
        return s3_operation(request)
    if service == "ses" and path == "/v2/email/outbound-emails":
        return "SendEmail"
    if service == "lambda" and path.endswith("/invocations"):
        return "Invoke"
    return f"{method} {path}"


def error_response(service: str, code: str, message: str, status: int = 400) -> Response:
    """An error in the service's own format, so that SDKs raise what they would raise against AWS."""
    if service == "s3":
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return Response(status, xml.encode(), [("content-type", "application/xml")])
    if service in ("ses", "sts", "sns", "monitoring"):
        xml = (
            "<ErrorResponse><Error><Type>Sender</Type>"
            f"<Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        )
        return Response(status, xml.encode(), [("content-type", "text/xml")])
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    headers = [("content-type", _JSON_10), ("x-amzn-errortype", code)]
    if service == "sqs":
        headers.append(("x-amzn-query-error", f"{code};Sender"))
    return Response(status, body, headers)


def access_denied_response(service: str, message: str) -> Response:
    if service in ("sqs", "s3", "ses", "sns", "sts"):
        return error_response(service, "AccessDenied", message, 403)
    status = 400 if service in ("dynamodb", "states", "ssm", "secretsmanager") else 403
    return error_response(service, "AccessDeniedException", message, status)


def wrong_signature_response(service: str) -> Response:
    code = "SignatureDoesNotMatch" if service in ("sqs", "s3", "ses", "sns", "sts") else "InvalidSignatureException"
    return error_response(
        service, code, "The request signature we calculated does not match the signature you provided.", 403
    )
