"""Fixtures of every test that runs functions in process, on moto.

`aws` is the cloud: `aws.invoke("api", event)`, `aws.called()`, `aws.wakeups()`, `aws.deliver("normal")`.
`clock` stands still until a test moves it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import botocore_stubber

from functions.aws import clients
from tests.integration import cloud
from tests.integration.api import Api
from tests.integration.cloud import Call, Cloud
from tests.integration.quick import Quick

START = 1_770_000_000_000
"""Epoch ms: 2026-02-02T02:40:00Z."""


@dataclass
class Clock:
    """Epoch ms. What moto does by its own clock (delays, visibility) goes by real time."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has no lock of its own: from several threads it loses updates, which DynamoDB does not."""
    lock = threading.RLock()
    process: Callable[..., Any] = botocore_stubber.process_request

    def locked(request: Any) -> Any:
        with lock:
            return process(request)

    monkeypatch.setattr(botocore_stubber, "process_request", locked)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, one_request_at_a_time: None) -> Iterator[Cloud]:
    """Everything made, no calls counted yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", cloud.REGION)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    made = Cloud()
    cloud.forget_processes()
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session())
        # boto3's session is botocore's with more on it; functions make their clients by that one.
        monkeypatch.setattr(clients, "session", lambda: session()._session)
        cloud.provision(made)
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)

        def note(params: dict[str, Any], model: Any, **_: Any) -> None:
            made.calls.append(Call(f"{model.service_model.service_name}.{model.name}", params))

        session().events.register("provide-client-params", note)
        yield made
        session().events.unregister("provide-client-params", note)
    cloud.forget_processes()


@cache
def session() -> Any:
    """One for all tests: it keeps what it has read of AWS's service models, half a second of each test otherwise."""
    return boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=cloud.REGION)


@pytest.fixture(scope="session", autouse=True)
def task_types_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The file that the build writes into the code asset, of the checkout."""
    import functions.tasks
    from functions.build.task_types import discover
    from functions.runtime import wiring

    file = tmp_path_factory.mktemp("code") / "task-types.json"
    file.write_text(discover(functions.tasks).to_json())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "TASK_TYPES_FILE", str(file))
        yield


@pytest.fixture
def scene(aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker whose only task type, NOTE, notes its payload: see tests/integration/scene.py."""
    from functions.runtime import wiring
    from tests.integration.scene import Scene

    made = Scene(aws, clock)
    made.handle("NOTE", lambda ctx, payload: made.ran.append(payload))
    monkeypatch.setattr(wiring, "registry", made.registry)
    return made


@pytest.fixture
def machine(aws: Cloud, clock: Clock) -> Any:
    """The notification machine: see tests/integration/notifications.py."""
    from tests.integration.notifications import Machine

    made = Machine(aws, clock)
    made.make()
    return made


@pytest.fixture
def default_secret(aws: Cloud) -> str:
    """Of the tenant that all tests are."""
    value = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    path = f"{aws.env['WEBHOOK_SECRETS']}/{cloud.TENANT}/default"
    aws.client("secretsmanager").create_secret(Name=path, SecretString=value)
    return value


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that functions read. Ask for it before anything is invoked."""
    from functions.runtime import wiring

    still = Clock()
    monkeypatch.setattr(wiring, "clock", still)
    return still


@pytest.fixture
def make_quick(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Callable[[], Quick]]:
    """Clouds without HTTP in them, for runs of thousands of nodes. Threads are real, calls one at a time. The functions
    are in the one that was made last."""
    from functions.runtime import wiring

    def make() -> Quick:
        made = Quick(clock=clock)
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(wiring, "client", made.service)
        cloud.forget_processes()
        return made

    yield make
    cloud.forget_processes()


@pytest.fixture
def quick(make_quick: Callable[[], Quick]) -> Quick:
    return make_quick()


@pytest.fixture
def api(aws: Cloud, clock: Clock) -> Api:
    """`api("POST", "/tasks", {...})` is an answer; `api.submit(delaySeconds=5)` a task."""
    return Api(aws)


@pytest.fixture
def yard(quick: Quick) -> Api:
    """As `api`, in a cloud without HTTP."""
    return Api(quick)
