"""What a handler does to the outside while it runs, recorded in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskyard.tasks.effects import Effect
from taskyard.tasks.http import HttpRequest, HttpResponse
from taskyard.tasks.submits import Submit


@dataclass
class MemoryRecorder:
    """An AttemptRecorder (taskyard/tasks/context.py). `fenced`: the fence of the attempt is refused."""

    attempt: int
    effects: dict[str, Effect]
    fenced: bool = False
    task_id: str = ""
    secrets: Mapping[str, str | bytes] = field(default_factory=dict)
    submits: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name → body of POST /tasks."""
    reports: list[tuple[float, str]] = field(default_factory=list)

    def reserve(self, name: str) -> Effect | None:
        earlier = self.effects.get(name)
        self.effects.setdefault(name, Effect(done=False, attempt=self.attempt))
        return earlier

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        value = None if result is None else json.loads(result)
        self.effects[name] = Effect(done=True, attempt=self.attempt, result=value, problem=problem)
        return self.effects[name]

    def release(self, name: str) -> None:
        del self.effects[name]

    def progress(self, fraction: float, note: str) -> bool:
        if not self.fenced:
            self.reports.append((fraction, note))
        return not self.fenced

    def log(self, line: str, fields: Mapping[str, Any]) -> None:
        """The context has the lines."""

    def submit(self, submits: Sequence[Submit]) -> list[str]:
        """A submit under a name that an earlier attempt used changes nothing."""
        for submit in submits:
            self.submits.setdefault(submit.name, submit.body)
        return [f"{self.task_id}/{submit.name}" for submit in submits]

    def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise AssertionError(f"the handler reads the secret {name!r}: give run_task `secrets` that hold it")
        value = self.secrets[name]
        return value if isinstance(value, str) else value.decode()


@dataclass(frozen=True, kw_only=True)
class Mail:
    to: list[str]
    subject: str
    text: str | None
    html: str | None
    sender: str | None


@dataclass
class MailRecorder:
    """Sends nothing."""

    mails: list[Mail] = field(default_factory=list)

    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        self.mails.append(Mail(to=to, subject=subject, text=text, html=html, sender=sender))
        return f"message-{len(self.mails)}"


@dataclass
class HttpRecorder:
    """Passes requests to `respond`, which stands for their receivers."""

    respond: Callable[[HttpRequest], HttpResponse] | None
    requests: list[HttpRequest] = field(default_factory=list)

    def send(self, request: HttpRequest, *, seconds: float) -> HttpResponse:
        self.requests.append(request)
        if self.respond is None:
            raise AssertionError(f"the handler sends {request.method} {request.url}: give run_task an `http` to answer")
        return self.respond(request)


@dataclass(frozen=True)
class SecretsByName:
    secrets: Mapping[str, str | bytes]

    def keys(self, tenant: str, name: str) -> tuple[bytes, ...]:
        if name not in self.secrets:
            raise AssertionError(f"the handler signs with the secret {name!r}: give run_task `secrets` that hold it")
        value = self.secrets[name]
        return (value.encode() if isinstance(value, str) else value,)
