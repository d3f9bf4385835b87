"""WEBHOOK_CALL: one HTTP request with a JSON body, tried again until its receiver takes it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from taskyard.tasks import Context, Sensitive, task
from taskyard.tasks.http import (
    HttpRequest,
    ReceiverFailedError,
    ReceiverRefusedError,
    headers_problem,
    retry_after_seconds,
)
from taskyard.tasks.signature import SECRET_NAME, SIGNATURE_HEADERS
from taskyard.tasks.urls import MAX_URL_LENGTH, origin, validate_url, without_target

RESULT_BODY_LENGTH = 120
"""Characters of the response in the result: with the status it fits into the record."""
MAX_REDIRECTS = 3
ANSWER_MARGIN_SECONDS = 1.0
"""Between the end of the request and the deadline of the attempt: a request that times out says why, an attempt that
times out does not."""
LEAST_TIMEOUT_SECONDS = 2
"""Of a time-out: with the margin taken off, a second to call in."""
RETRIED_STATUSES = frozenset({408, 425, 429})
"""4xx that mean "later". Any other 4xx means that the request is wrong, and a repetition would be wrong too."""


def validate_headers(headers: dict[str, str]) -> dict[str, str]:
    if (problem := headers_problem(headers)) is not None:
        raise ValueError(problem)
    return headers


class Webhook(BaseModel):
    """`body` (or `payload`) is sent as JSON; text goes out as it is when `headers` give a Content-Type. The values of
    `headers` are sent and shown to nobody else."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=MAX_URL_LENGTH), AfterValidator(validate_url)]
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[
        dict[str, Annotated[str, Sensitive()]], Field(max_length=50), AfterValidator(validate_headers)
    ] = Field(default_factory=dict)
    body: Any = Field(default=None, validation_alias=AliasChoices("body", "payload"))
    secret: Annotated[str, StringConstraints(pattern=SECRET_NAME)] | None = Field(
        default=None, description="The name of the secret to sign with, as in `notify`. Left out: not signed."
    )

    @model_validator(mode="after")
    def one_signature(self) -> Webhook:
        given = {name.lower() for name in self.headers}
        if self.secret is not None and given & SIGNATURE_HEADERS:
            raise ValueError("headers must not hold a signature when secret names what to sign with")
        return self


@task("WEBHOOK_CALL", "webhook", least_timeout_seconds=LEAST_TIMEOUT_SECONDS)
def webhook_call(ctx: Context, payload: Webhook) -> dict[str, Any]:
    """At least once: the receiver knows a repetition by the Idempotency-Key, which is the task's id."""
    headers = {
        "User-Agent": "Taskyard",
        "Idempotency-Key": ctx.task_id,
        "X-Taskyard-Task-Id": ctx.task_id,
        "X-Taskyard-Attempt": str(ctx.attempt),
    }
    body: bytes | None = None
    if isinstance(payload.body, str) and any(name.lower() == "content-type" for name in payload.headers):
        body = payload.body.encode()
    elif payload.body is not None:
        body = json.dumps(payload.body, separators=(",", ":"), ensure_ascii=False).encode()
        headers["Content-Type"] = "application/json"
    if payload.secret is not None:
        headers |= ctx.signed(body or b"", secret=payload.secret)
    request = HttpRequest(
        method=payload.method,
        url=payload.url,
        body=body,
        headers=headers,
        first_origin_headers=payload.headers,
        redirects=MAX_REDIRECTS,
    )
    answer = ctx.http.send(request, seconds=ctx.remaining() - ANSWER_MARGIN_SECONDS)
    ctx.log(f"{payload.method} {origin(payload.url)}: {answer.status}")
    if 200 <= answer.status < 300:
        return {"status": answer.status, "body": answer.text[:RESULT_BODY_LENGTH]}
    words = without_target(without_target(answer.text, answer.url), payload.url)[:RESULT_BODY_LENGTH]
    problem = f"{origin(answer.url)} answered {answer.status}" + (f": {words}" if words else "")
    if 400 <= answer.status < 500 and answer.status not in RETRIED_STATUSES:
        raise ReceiverRefusedError(problem)
    raise ReceiverFailedError(problem, after=retry_after_seconds(answer.headers, now=ctx.now()))
