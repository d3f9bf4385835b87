"""What a run leaves behind: everything expires, the run's own record last, and its definition goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from functions.observer import handler as observer
from functions.store import keys
from tests.integration.cloud import TENANT
from tests.integration.quick import Quick
from tests.integration.stream import Stream
from tests.integration.workflows import spec, submit, whole

DAY = 86_400


@pytest.fixture
def s3(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(observer, "client", quick.service)
    observer.services.cache_clear()
    return quick.documents


def removal(old: dict[str, Any], by: str = "dynamodb.amazonaws.com") -> dict[str, Any]:
    return {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "userIdentity": {"type": "Service", "principalId": by},
        "dynamodb": {
            "ApproximateCreationDateTime": 1770000000.0,
            "Keys": {name: old[name] for name in ("pk", "sk")},
            "OldImage": old,
            "SequenceNumber": "421900000000000000000001",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def definitions(quick: Quick) -> list[str]:
    return [item["sk"]["S"] for item in quick.table.items() if item["sk"]["S"].startswith(keys.DEFINITION)]


def take_out(quick: Quick, run_id: str) -> dict[str, Any]:
    key = keys.run_key(TENANT, run_id)
    record = quick.table.item(key["pk"]["S"], key["sk"]["S"])
    assert record is not None
    quick.table.call("delete_item", {"TableName": quick.table.name, "Key": key})
    return record


def test_the_runs_record_outlasts_all_that_its_nodes_left(quick: Quick) -> None:
    many = [f"m{at}" for at in range(60)]
    whole(quick, [*(spec(name) for name in many), spec("z", *many)])
    expiry = {
        item["sk"]["S"].split("#")[0]: int(item["expiresAt"]["N"])
        for item in quick.table.items()
        if "expiresAt" in item
    }
    assert set(expiry) == {"TASK", "JOIN", "TALLY", "WORKFLOW"}
    assert expiry.pop("WORKFLOW") >= max(expiry.values()) + 7 * DAY - 1


@pytest.mark.parametrize("nodes", [3, 100])
def test_the_definition_goes_with_the_run(quick: Quick, s3: dict[str, bytes], nodes: int) -> None:
    """In the table, or in S3 when it is large."""
    run = submit(quick, [spec(f"n{at}", payload={"message": "x" * 300}) for at in range(nodes)])
    assert (len(definitions(quick)), len(s3)) == ((1, 0) if nodes == 3 else (0, 1))
    record = take_out(quick, run.id)
    for _ in range(2):
        assert quick.invoke("observer", Stream().batch(removal(record)))["batchItemFailures"] == []
    assert (definitions(quick), s3) == ([], {})


def test_what_a_new_run_of_the_same_id_has_is_left(quick: Quick, s3: dict[str, bytes]) -> None:
    specs = [spec(f"n{at}", payload={"message": "x" * 300}) for at in range(3)]
    run = submit(quick, specs)
    record = take_out(quick, run.id)
    submit(quick, specs)
    quick.invoke("observer", Stream().batch(removal(record)))
    assert len(definitions(quick)) == 1


def test_a_record_that_somebody_else_removed_is_none_of_its_business(quick: Quick, s3: dict[str, bytes]) -> None:
    run = submit(quick, [spec(f"n{at}", payload={"message": "x" * 300}) for at in range(3)])
    quick.invoke("observer", Stream().batch(removal(take_out(quick, run.id), by="somebody")))
    assert len(definitions(quick)) == 1
