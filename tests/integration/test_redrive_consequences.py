"""Consequences of an end are completed before a redrive leaves that end, also after its worker died."""

from __future__ import annotations

from typing import Any

import pytest

from functions.core.states import State
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.scene import Scene

DEAD, WAITING = "0" * 25 + "d", "0" * 25 + "w"


@pytest.fixture
def abandoned(scene: Scene) -> None:
    """A dead letter whose worker died right after it wrote the end: its dependent waits."""
    scene.put(DEAD, state=State.DEAD, attempt=1, ended_at=scene.clock.now)
    scene.put(WAITING, state=State.BLOCKED, dependencies=(DEAD,), waiting_for=frozenset({DEAD}))
    scene.store.add_dependent(TENANT, DEAD, WAITING)
    scene.store.flag_dependents(TENANT, DEAD)


@pytest.mark.parametrize(
    ("path", "body"), [(f"/tasks/{DEAD}/retry", {}), ("/dead-letters/redrive", {"ratePerSecond": 1})]
)
def test_redrive_skips_dependents_of_old_end_first(
    api: Api, aws: Cloud, scene: Scene, abandoned: None, path: str, body: dict[str, Any]
) -> None:
    scene.aws.client("dynamodb").update_item(
        TableName=scene.store.table.name,
        Key={"pk": {"S": f"TASK#{TENANT}#{DEAD}"}, "sk": {"S": "TASK"}},
        UpdateExpression="SET deadPk = :pk, deadSk = :sk",
        ExpressionAttributeValues={":pk": {"S": f"DEAD#{TENANT}#0"}, ":sk": {"S": f"{scene.clock.now:013d}#{DEAD}"}},
    )
    assert api("POST", path, body).status < 300
    assert scene.task(WAITING).state is State.SKIPPED
    assert scene.task(DEAD).state is State.PENDING
