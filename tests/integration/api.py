"""Requests to the api function, as API Gateway would hand them over: made from events/api/."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.integration.cloud import Cloud, event

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any
    """Read from JSON where it is JSON; else text."""

    @property
    def fields(self) -> dict[str, str]:
        """Of a 422: field → message."""
        return {error["field"]: error["message"] for error in self.body["errors"]}


@dataclass(frozen=True)
class Api:
    """`account`: whose requests these are, on the IAM API. `identity`: as API Gateway hands it over, in place of a user
    of that account; {} for none."""

    aws: Cloud
    account: str = "123456789012"
    identity: Mapping[str, Any] | None = None

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """`body`: str or bytes as they are, anything else as JSON."""
        sent = request(method, path, body, headers=headers, query=query, account=self.account)
        if self.identity is not None:
            sent["requestContext"]["authorizer"] = dict(self.identity)
        return self.send(sent)

    def send(self, request: dict[str, Any]) -> Answer:
        answer = self.aws.invoke("api", request)
        json.dumps(answer)
        headers = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
        text = answer["body"]
        assert isinstance(text, str), "gateways differ in what they make of null"
        if "json" in headers.get("content-type", ""):
            return Answer(answer["statusCode"], headers, json.loads(text))
        return Answer(answer["statusCode"], headers, base64.b64decode(text) if answer["isBase64Encoded"] else text)

    def submit(self, **fields: Any) -> Any:
        """The new task, of a request that must be accepted."""
        answer = self("POST", "/tasks", {**MESSAGE, **fields})
        assert answer.status in (200, 201), answer.body
        return answer.body

    def get(self, task_id: str) -> Any:
        answer = self("GET", f"/tasks/{task_id}")
        assert answer.status == 200, answer.body
        return answer.body


def token_identity(*roles: str, tenant: str | None, **claims: str) -> dict[str, Any]:
    """Of a token that fits cloud.AUTH."""
    scope = " ".join(["openid", *(f"taskyard/{role}" for role in roles)])
    named = {"org": tenant} if tenant is not None else {}
    return {"jwt": {"claims": {"sub": "s-1", "username": "ann", "scope": scope, **named, **claims}, "scopes": None}}


def role_identity(name: str, *, account: str = "123456789012") -> dict[str, Any]:
    """Of a session of that IAM role."""
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/session"
    return {"iam": {"accountId": account, "userArn": arn, "callerId": "AROAEXAMPLE:session"}}


def request(
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    account: str = "123456789012",
) -> dict[str, Any]:
    made = event("api", "submit_task")
    del made["headers"]["idempotency-key"]
    made["rawPath"] = path
    made["rawQueryString"] = urlencode(query or {})
    if query:
        made["queryStringParameters"] = dict(query)
    context = made["requestContext"]
    context["http"] |= {"method": method, "path": path}
    context["authorizer"]["iam"]["accountId"] = account
    made["headers"] |= {name.lower(): value for name, value in (headers or {}).items()}
    del made["body"]
    if isinstance(body, bytes):
        made |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    elif body is not None:
        made["body"] = body if isinstance(body, str) else json.dumps(body)
    return made
