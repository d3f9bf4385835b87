"""A user's own stack, running locally for tests on a clock that the test moves."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from taskyard import Task, Taskyard
from taskyard.local_process import local_command
from taskyard.testing.recorder import Mail

START_SECONDS = 300.0


class YardFailed(Exception):
    """The local system did not start, or ended; the message has its output."""


@dataclass(frozen=True, kw_only=True)
class YardApp:
    """`folder` has cdk.json. `stack`: its name, for an app with several. `context`: as of the CDK's `-c`."""

    folder: Path
    stack: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


class Yard:
    """The running stack. Make it with `start`; `close` ends its process.

    `client` is a Taskyard client with the role admin; `submit` and `task` are its methods.
    """

    def __init__(self, process: subprocess.Popen[bytes], document: Mapping[str, Any]) -> None:
        self._process = process
        self._document = document
        self.client = Taskyard(document["url"], document.get("token") or self.session())

    @classmethod
    def start(cls, app: YardApp, directory: Path) -> Yard:
        """Synthesize the app and run it; `directory` gets its logs. Takes some seconds. Raises MissingExtra,
        YardFailed."""
        arguments = ["dev", "--app", str(app.folder), "--port", "0", "--directory", str(directory), "--no-reload"]
        arguments += ["--stack", app.stack] if app.stack else []
        for name, value in app.context.items():
            arguments += ["--context", f"{name}={value}"]
        endpoint, output = directory / "endpoint.json", directory / "output.log"
        with output.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                local_command(*arguments), cwd=app.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until = time.monotonic() + START_SECONDS
        while not endpoint.exists():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise YardFailed(f"the local system did not start:\n{output.read_text(errors='replace')}")
            time.sleep(0.05)
        return cls(process, json.loads(endpoint.read_text()))

    def submit(self, *arguments: Any, **options: Any) -> Task:
        """As `Taskyard.submit`."""
        return self.client.submit(*arguments, **options)

    def task(self, task_id: str) -> Task:
        """As `Taskyard.get`."""
        return self.client.get(task_id)

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass: what becomes due on the way runs, each at its time. Returns when it has run."""
        self._control("advance", seconds=days * 86_400 + hours * 3600 + minutes * 60 + seconds)
        self._renew_token()

    def run_until_idle(self, timeout: float = 30.0) -> None:
        """Wait until everything has run that is due now; what is due later stays. Raises TimeoutError."""
        if not self._control("settle", timeout=timeout):
            raise TimeoutError(f"after {timeout:g} s something still runs")

    def mail(self) -> list[Mail]:
        """The mails that were sent since the last reset, oldest first. `text` has the body."""
        answer = httpx.get(f"{self._document['url']}/_local/mail", trust_env=False).raise_for_status()
        return [
            Mail(to=one["to"], subject=one["subject"], text=one["body"], html=None, sender=one["sender"])
            for one in answer.json()
        ]

    def session(self) -> Any:
        """A boto3 session with the keys of the local AWS' administrator."""
        import boto3

        aws = self._document["aws"]
        return boto3.Session(
            aws_access_key_id=aws["accessKeyId"],
            aws_secret_access_key=aws["secretAccessKey"],
            region_name=aws["region"],
        )

    def aws(self, service: str) -> Any:
        """A boto3 client of the local AWS, as its administrator."""
        return self.session().client(service, endpoint_url=self._document["aws"]["endpoint"])

    def reset(self) -> None:
        """Empty tables, queues and buckets, forget mails and schedules, run seed.py again. The clock stays where it
        is, and so do the function processes: what a module holds in memory, it still holds."""
        self._control("reset")

    def close(self) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _control(self, name: str, **arguments: float) -> Any:
        answer = self._post(f"/_local/control/{name}", arguments)
        return answer.json()

    def _renew_token(self) -> None:
        """Tokens are valid for hours of the virtual clock."""
        if "token" in self._document:
            token = self._post("/_local/token", {"role": "admin"}).json()["token"]
            self.client.close()
            self.client = Taskyard(self._document["url"], token)

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            return httpx.post(
                self._document["url"] + path,
                json=body,
                headers={"authorization": f"Bearer {self._document['controlSecret']}"},
                timeout=None,  # noqa: S113 - a month of tasks takes as long as it takes
                trust_env=False,
            ).raise_for_status()
        except httpx.TransportError as error:
            raise YardFailed(f"the local system does not answer: {error}") from error
