"""The examples of the SDK in README.md and docs/, run against the whole system as they stand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from taskyard import Taskyard

from local.system import LocalSystem
from tests.documents import Example, examples
from tests.e2e.callers import token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]

BY_INVOKING = "Producer("
"""Such an example names a function of a deployed stack: tests/e2e/test_schedules.py has the local one's."""
OF_APPS = ("taskyard.cdk", "enqueue(")
"""Parts of a user's own app: tests/infra/test_construct.py, tests/e2e/test_declared_schedules.py and
tests/integration/test_outbox_recipes.py have such apps."""
RUN = [
    each
    for each in examples("python")
    if each.file is None and not any(part in each.text for part in (BY_INVOKING, *OF_APPS))
]


def given(yard: Taskyard) -> dict[str, Any]:
    """What examples of a few lines take from around them."""
    mail = {"to": "ada@example.com", "subject": "An example ran"}
    secret, body, now = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"type": "task.dead"}', datetime.now(UTC)
    headers = {
        "webhook-id": "an-example",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("an-example", now, body),
    }
    return {"yard": yard, "mail": mail, "mails": [mail, mail], "secret": secret, "body": body, "headers": headers}


@pytest.mark.parametrize("example", RUN, ids=str)
def test_python_example_runs(
    system: LocalSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, example: Example
) -> None:
    monkeypatch.setenv("TASKYARD_URL", system.url)
    monkeypatch.setenv("TASKYARD_TOKEN", token(system))
    profiles = tmp_path / "config"
    profiles.write_text("[profile prod]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profiles))
    with Taskyard() as yard:
        exec(compile(example.text, str(example), "exec"), given(yard))
