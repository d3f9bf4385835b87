"""Counts per tenant, state and type, exactly once from a stream that delivers at least once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from functions.core.errors import StoreUnavailable
from functions.store.counters import Counters
from functions.store.keys import shard
from functions.store.table import Table
from tests.integration.cloud import SHARDS, TENANT, Cloud, event
from tests.integration.stream import Stream, sequence

IN_SHARD = [[f"t{at}" for at in range(200) if shard(f"t{at}", SHARDS) == number] for number in range(SHARDS)]
"""Ids of tasks that are counted in the same counter shard."""


def observe(aws: Cloud, *records: dict[str, Any]) -> str | None:
    """The sequence number that comes again."""
    aws.forget_calls()
    failures = aws.invoke("observer", {"Records": list(records)})["batchItemFailures"]
    assert len(failures) <= 1
    return failures[0]["itemIdentifier"] if failures else None


def counts(tenant: str = TENANT) -> dict[str, int]:
    from functions.aws.clients import client
    from tests.integration.cloud import TABLE

    return {s: n for s, n in Counters(Table(client("dynamodb"), TABLE)).read(tenant).states.items() if n}


def test_the_life_of_a_task(aws: Cloud) -> None:
    records = event("observer", "life")["Records"]
    assert observe(aws, *records) is None
    assert aws.called() == ["dynamodb.UpdateItem"], "one call a batch and counter shard"
    assert counts() == {"SUCCESS": 1}
    [item] = aws.items()
    assert item["type:DELAYED_MESSAGE:SUCCESS"] == {"N": "1"}
    assert item["pk"] == {"S": f"COUNTER#{TENANT}"}
    assert "state:RETRY" not in item


def test_delivered_again_whole_in_halves_and_in_part(aws: Cloud) -> None:
    stream = Stream()
    records = stream.life("t1", "READY", "RUNNING", "RETRY", "RUNNING", "SUCCESS")
    for batch in (records, records, records[:2], records[2:], records[3:4]):
        assert observe(aws, *batch) is None
        assert counts() == {"SUCCESS": 1}


def test_what_is_known_costs_no_call(aws: Cloud) -> None:
    records = event("observer", "life")["Records"]
    observe(aws, *records)
    observe(aws, *records)
    assert aws.called() == []


def test_another_process_delivers_again(aws: Cloud) -> None:
    """It has not seen the counter: the refusal tells it what is known."""
    from functions.observer import handler

    records = event("observer", "life")["Records"]
    observe(aws, *records)
    handler.assembled.cache_clear()
    assert observe(aws, *records) is None
    assert aws.called() == ["dynamodb.UpdateItem"]
    assert counts() == {"SUCCESS": 1}


def test_a_batch_between_a_batch_and_its_repetition(aws: Cloud) -> None:
    one, other = Stream(), Stream()
    a, b = IN_SHARD[0][:2]
    first = one.life(a, "READY", "RUNNING", "SUCCESS")
    second = other.life(b, "READY", "RUNNING")
    for batch in (first, second, first, second):
        assert observe(aws, *batch) is None
    assert counts() == {"SUCCESS": 1, "RUNNING": 1}


def test_tenants_and_shards_have_counters_of_their_own(aws: Cloud) -> None:
    stream = Stream()
    records = [record for ids in IN_SHARD for record in stream.life(ids[0], "READY")]
    records += stream.life("t1", "DEAD", tenant="arn:aws:iam::1:user/with#hash")
    assert observe(aws, *records) is None
    assert len(aws.called()) == SHARDS + 1
    assert counts() == {"READY": SHARDS}
    assert counts("arn:aws:iam::1:user/with#hash") == {"DEAD": 1}


def test_types_are_counted_each(aws: Cloud) -> None:
    stream = Stream()
    observe(aws, *stream.life("t1", "READY", kind="a:b"), *stream.life("t2", "READY", "DEAD", kind="c"))
    from functions.aws.clients import client
    from tests.integration.cloud import TABLE

    assert Counters(Table(client("dynamodb"), TABLE)).read(TENANT).types == {"a:b": {"READY": 1}, "c": {"DEAD": 1}}


def test_what_cannot_be_read_is_skipped(aws: Cloud) -> None:
    assert observe(aws, *event("observer", "unreadable")["Records"]) is None
    assert counts() == {"SUCCESS": 1}


def test_the_first_that_fails_comes_again_and_all_is_counted_once(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the counter shards of one batch the second cannot be written: from its first event on it comes again."""
    update = Table.update

    def broken(table: Table, key: Any, *args: Any, **kwargs: Any) -> Any:
        if key["sk"]["S"] == "SHARD#001":
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return update(table, key, *args, **kwargs)

    stream = Stream()
    first = stream.life(IN_SHARD[0][0], "READY", "RUNNING")
    second = stream.life(IN_SHARD[1][0], "READY", "RUNNING")
    third = stream.life(IN_SHARD[2][0], "READY", "RUNNING")
    records = [first[0], second[0], third[0], first[1], second[1], third[1]]
    with monkeypatch.context() as patched:
        patched.setattr(Table, "update", broken)
        assert observe(aws, *records) == sequence(second[0])
    assert counts() == {"RUNNING": 2}
    assert observe(aws, *records[1:]) is None
    assert counts() == {"RUNNING": 3}


def test_an_answer_that_was_lost_counts_once(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    update = Table.update

    def answer_lost(*args: Any, **kwargs: Any) -> Any:
        update(*args, **kwargs)
        return update(*args, **kwargs)

    monkeypatch.setattr(Table, "update", answer_lost)
    assert observe(aws, *event("observer", "life")["Records"]) is None
    assert counts() == {"SUCCESS": 1}


def test_observers_of_several_stream_shards_write_one_counter(aws: Cloud) -> None:
    streams = [Stream() for _ in range(4)]
    batches = [
        [record for at in range(5) for record in stream.life(IN_SHARD[0][number * 5 + at], "READY", "RUNNING")]
        for number, stream in enumerate(streams)
    ]
    errors: list[BaseException] = []

    def run(batch: list[dict[str, Any]]) -> None:
        try:
            for start in range(0, len(batch), 2):
                assert observe(aws, *batch[start : start + 2]) is None
                assert observe(aws, *batch[start : start + 2]) is None
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counts() == {"RUNNING": 20}


def test_the_counter_item_stays_small(aws: Cloud) -> None:
    stream = Stream()
    for task_id in IN_SHARD[0][:30]:
        observe(aws, *stream.life(task_id, *["RETRY", "RUNNING"] * 10, "SUCCESS"))
    [item] = aws.items()
    assert len(item["memory"]["B"]) == 1800
    assert counts() == {"SUCCESS": 30}
