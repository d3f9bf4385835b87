"""WEBHOOK_CALL: one HTTP request with a JSON body, tried again until its receiver takes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

import urllib3
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from functions.core.context import Context
from functions.core.outcomes import Permanent, Retry
from functions.core.registry import task
from functions.core.sensitive import Sensitive

BODY_KEPT = 120
"""Characters of the response that the result keeps: with its status it stays within the record."""
BODY_READ = 4096
"""Bytes. What a receiver has to say is in its status."""
HOPS = 3
"""307s and 308s that are followed; the others would turn the POST into a GET."""
ANSWER_MARGIN_SECONDS = 1.0
"""Kept free before the attempt's deadline: a request cut off here says why, an attempt cut off there does not."""
AGAIN = frozenset({408, 425, 429})
"""4xx that say «later». The others say that this request is wrong, and it will be as wrong the next time."""
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
"""Headers that frame the request: the client's own."""
SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Not sent on to another host by a redirect."""


def checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL with a host")
    if parts.username or parts.password:
        raise ValueError("must not hold credentials: use a header")
    _ = parts.port
    return url


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{name!r} is no header name")
        if name.lower() in OURS:
            raise ValueError(f"{name} is set by the request itself")
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
            raise ValueError(f"{name} holds characters that a header cannot")
    return headers


class Webhook(BaseModel):
    """`body` (or `payload`) is sent as JSON; text goes out as it is when `headers` give a Content-Type. The values of
    `headers` are sent and shown to nobody else."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=2048), AfterValidator(checked_url)]
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[
        dict[str, Annotated[str, Sensitive()]], Field(max_length=50), AfterValidator(checked_headers)
    ] = Field(default_factory=dict)
    body: Any = Field(default=None, validation_alias=AliasChoices("body", "payload"))


class ReceiverFailedError(Retry):
    """It could not be reached, or asked for another try."""


class ReceiverRefusedError(Permanent):
    """It said that the request is wrong."""


@task("WEBHOOK_CALL", "webhook")
def webhook_call(ctx: Context, payload: Webhook) -> dict[str, Any]:
    """At least once: the receiver knows a repetition by the Idempotency-Key, which is the task's id."""
    named = {name.lower() for name in payload.headers}
    headers = {
        "User-Agent": "Taskyard",
        "Idempotency-Key": ctx.task_id,
        "X-Taskyard-Task-Id": ctx.task_id,
        "X-Taskyard-Attempt": str(ctx.attempt),
    }
    body: bytes | None = None
    if isinstance(payload.body, str) and "content-type" in named:
        body = payload.body.encode()
    elif payload.body is not None:
        body = json.dumps(payload.body, separators=(",", ":"), ensure_ascii=False).encode()
        headers["Content-Type"] = "application/json"
    headers = {name: value for name, value in headers.items() if name.lower() not in named} | payload.headers
    status, answered, said = sent(ctx, payload.method, payload.url, body, headers)
    ctx.log(f"{payload.method} {urlsplit(payload.url).hostname}: {status}")
    if 200 <= status < 300:
        return {"status": status, "body": said[:BODY_KEPT]}
    told = f"{payload.url.partition('?')[0]} answered {status}: {said[:BODY_KEPT]}"
    if 400 <= status < 500 and status not in AGAIN:
        raise ReceiverRefusedError(told)
    raise ReceiverFailedError(told, after=retry_after(answered, now=ctx.now()))


def sent(
    ctx: Context, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], str]:
    """The final answer: status, headers, the beginning of its body. Raises ReceiverFailedError when there is none."""
    pool = urllib3.PoolManager(num_pools=HOPS + 1, retries=False)
    try:
        for hop in range(HOPS + 1):
            seconds = ctx.remaining() - ANSWER_MARGIN_SECONDS
            if seconds <= 0:
                raise ReceiverFailedError("no time left for the request")
            answer = pool.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=urllib3.Timeout(total=seconds),
                redirect=False,
                preload_content=False,
            )
            try:
                following = redirected(url, answer.status, answer.headers.get("Location")) if hop < HOPS else None
                if following is None:
                    # One read, not all of it: a receiver that drips its body must not hold the attempt.
                    return answer.status, answer.headers, answer.read1(BODY_READ).decode(errors="replace")
            finally:
                answer.close()
            if urlsplit(following).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name.lower() not in SECRET}
            url = following
    except urllib3.exceptions.LocationValueError as error:
        raise ReceiverRefusedError(str(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise ReceiverFailedError(f"{type(error).__name__}: {error}") from error
    finally:
        pool.clear()
    raise AssertionError("the last hop returns or raises")


def redirected(url: str, status: int, location: str | None) -> str | None:
    """Where to send the same request instead; None: nowhere, the answer stands. Never to a scheme other than http and
    https, never from https to http."""
    if status not in (307, 308) or not location:
        return None
    try:
        following = checked_url(urljoin(url, location))
    except ValueError:
        return None
    if urlsplit(url).scheme == "https" and urlsplit(following).scheme != "https":
        return None
    return following


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds, from a Retry-After in seconds or as an HTTP date, which counts from the receiver's own Date when it
    says one. None: not said, or not readable."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,10}(\.\d+)?", value):
        return float(value)
    at = seconds_of(value)
    if at is None:
        return None
    sent_at = seconds_of(headers.get("Date") or "")
    return max(0.0, math.ceil(at - (now if sent_at is None else sent_at)))


def seconds_of(date: str) -> float | None:
    """Epoch seconds of an HTTP date."""
    try:
        parsed = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
