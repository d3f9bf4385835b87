"""Counts per tenant, state and type, exactly once from a stream that delivers at least once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.core.counts import POSITION_RETENTION_SECONDS
from functions.core.errors import StoreUnavailable
from functions.observer import handler
from functions.store import keys
from functions.store.counters import Counters, TenantCounts
from functions.store.table import Table
from tests.integration.cloud import TABLE, TENANT, Cloud, event
from tests.integration.stream import Stream, sequence

OTHER = "arn:aws:iam::1:user/with#hash"


@dataclass
class Observing:
    """The observer of several shards of the stream, one of which holds the journal."""

    aws: Cloud
    journal: Stream = field(default_factory=lambda: Stream("shardId-journal"))
    noted: list[dict[str, Any]] = field(default_factory=list)
    """What was written to the journal and is not yet delivered."""
    called: list[str] = field(default_factory=list)
    """Of AWS, by the last batch."""
    _items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, stream: Stream, *records: dict[str, Any]) -> str | None:
        """The sequence number that comes again."""
        self.aws.forget_calls()
        answer = self.aws.invoke("observer", stream.batch(*records))
        self.called = self.aws.called()
        assert answer["state"] == {}, "to Lambda an answer without a state is an error"
        assert len(answer["batchItemFailures"]) <= 1
        now = {item["sk"]["S"]: item for item in self.aws.items() if item["pk"]["S"] == "JOURNAL"}
        self.noted += [
            self.journal.record(self._items.get(name), item)
            for name, item in now.items()
            if item != self._items.get(name)
        ]
        self._items = now
        return answer["batchItemFailures"][0]["itemIdentifier"] if answer["batchItemFailures"] else None

    def read(self, tenant: str = TENANT) -> TenantCounts:
        """Once the journal's records are delivered, too."""
        if self.noted:
            records, self.noted = self.noted, []
            assert self(self.journal, *records) is None
            assert self.noted == [], "what is added to counters is no event"
        return Counters(Table(self.aws.client("dynamodb"), TABLE)).read(tenant)

    def states(self, tenant: str = TENANT) -> dict[str, int]:
        return {state: count for state, count in self.read(tenant).states.items() if count}


@pytest.fixture
def observe(aws: Cloud) -> Observing:
    return Observing(aws)


def another_process() -> None:
    """Knows nothing of what the one before has written."""
    handler.services.cache_clear()


def test_the_life_of_a_task(aws: Cloud, observe: Observing) -> None:
    life = event("observer", "life")["Records"]
    assert observe(Stream(), *life) is None
    assert observe.called == ["dynamodb.UpdateItem"], "one call a batch"
    assert observe.states() == {"SUCCESS": 1}
    assert observe.called == ["dynamodb.UpdateItem"], "and one a tenant and batch of the journal"
    counter = next(item for item in aws.items() if item["pk"] == {"S": f"COUNTER#{TENANT}"})
    assert {name for name in counter if ":" in name} == {"DELAYED_MESSAGE:SUCCESS"}


def test_the_records_that_aws_sends_of_the_journal(aws: Cloud, observe: Observing) -> None:
    assert aws.invoke("observer", event("observer", "journal"))["batchItemFailures"] == []
    assert observe.read().types == {"DELAYED_MESSAGE": {"SUCCESS": 3}}
    assert observe.states("210987654321") == {"READY": 1}


def test_the_end_of_a_window(aws: Cloud) -> None:
    assert aws.invoke("observer", event("observer", "window_end")) == {"state": {}, "batchItemFailures": []}
    assert aws.called() == []


def test_many_tenants_are_one_write(observe: Observing) -> None:
    stream = Stream()
    tenants = [f"{at:012d}" for at in range(20)]
    assert observe(stream, *(record for at in tenants for record in stream.life("t", "READY", tenant=at))) is None
    assert observe.called == ["dynamodb.UpdateItem"]
    assert [observe.states(tenant) for tenant in tenants] == [{"READY": 1}] * 20


def test_delivered_again_whole_in_halves_in_part_and_late(observe: Observing) -> None:
    stream = Stream()
    first = stream.life("t1", "READY", "RUNNING", "RETRY", "RUNNING", "SUCCESS")
    second = stream.life("t2", "READY", "RUNNING", "RETRY")
    for batch in (first, first, first[:2], first[2:], first[3:4], second, first, first[3:] + second, second[1:]):
        assert observe(stream, *batch) is None
        another_process()
    assert observe.states() == {"SUCCESS": 1, "RETRY": 1}


def test_there_and_back_is_counted_though_it_comes_to_nothing(observe: Observing) -> None:
    stream = Stream()
    records = stream.life("t1", "READY", "RUNNING", "READY")
    observe(stream, records[0])
    observe(stream, *records[1:])
    another_process()
    observe(stream, records[2])
    assert observe.states() == {"READY": 1}


def test_what_is_known_costs_no_call_and_another_process_is_told(observe: Observing) -> None:
    stream = Stream()
    records = stream.life("t1", "READY", "RUNNING")
    observe(stream, *records)
    observe(stream, *records)
    assert observe.called == []
    another_process()
    observe(stream, *records)
    assert observe.called == ["dynamodb.UpdateItem"], "refused: what it knows is in the answer"
    assert observe.states() == {"RUNNING": 1}


def test_the_journals_records_come_again_in_part(observe: Observing) -> None:
    streams = [Stream(f"shardId-{at}") for at in range(6)]
    for stream in streams:
        observe(stream, *stream.life(stream.shard, "READY"), *stream.life(stream.shard, "DEAD", tenant=OTHER))
    noted = list(observe.noted)
    assert len(noted) == len(streams)
    for again in (noted[:3], noted[1:], noted, noted[2:4]):
        another_process()
        assert observe(observe.journal, *again) is None
    observe.noted.clear()
    assert observe.states() == {"READY": 6}
    assert observe.states(OTHER) == {"DEAD": 6}


def test_the_journal_may_be_in_two_shards_of_the_stream(observe: Observing) -> None:
    """DynamoDB splits what is under one key when it is busy; numbers of two shards tell nothing of each other."""
    one, other = Stream("shardId-one"), Stream("shardId-other")
    ahead = Stream("shardId-journal-2")
    for at in range(3):
        observe(one, *one.life(f"o{at}", "READY"))
    in_one, observe.noted = observe.noted, []
    observe(other, *other.life("t", "DEAD"))
    observe.noted.clear()
    [item] = [item for item in observe.aws.items() if item["sk"]["S"].endswith("other")]
    in_other = [ahead.record(None, item)]
    for _ in range(2):
        assert observe(observe.journal, *in_one) is None
        another_process()
        assert observe(ahead, *in_other) is None
    assert observe.states() == {"READY": 3, "DEAD": 1}


def test_one_shards_batches_between_anothers_repetitions(observe: Observing) -> None:
    """However many: each remembers how far it is for itself."""
    one, other = Stream("shardId-one"), Stream("shardId-other")
    first = one.life("t1", "READY", "RUNNING", "SUCCESS")
    observe(one, *first)
    for at in range(20):
        observe(other, *other.life(f"o{at}", "READY", "RUNNING", "RETRY", "DEAD"))
    another_process()
    observe(one, *first)
    assert observe.states() == {"SUCCESS": 1, "DEAD": 20}


def test_types_are_counted_each(observe: Observing) -> None:
    stream = Stream()
    observe(stream, *stream.life("t1", "READY", kind="a:b"), *stream.life("t2", "READY", "DEAD", kind="c"))
    assert observe.read().types == {"a:b": {"READY": 1}, "c": {"DEAD": 1}}


def test_what_cannot_be_read_is_skipped(observe: Observing) -> None:
    assert observe(Stream(), *event("observer", "unreadable")["Records"]) is None
    assert observe.states() == {"SUCCESS": 1}


def test_a_batch_that_is_not_noted_comes_again_from_its_first_change(
    observe: Observing, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream()
    image = keys.task_key(TENANT, "run", keys.WORKFLOW)
    records = [stream.record(image, image), *stream.life("t1", "READY", "RUNNING")]
    with monkeypatch.context() as patched:
        patched.setattr(Table, "update", unavailable)
        assert observe(stream, *records) == sequence(records[1])
    assert observe(stream, *records[1:]) is None
    assert observe.states() == {"RUNNING": 1}


def test_a_tenant_that_is_not_counted_comes_again_and_the_others_are_counted_once(
    observe: Observing, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Stream("shardId-one"), Stream("shardId-other")
    observe(one, *one.life("t1", "READY"))
    observe(other, *other.life("t2", "DEAD", tenant=OTHER))
    noted, observe.noted = observe.noted, []
    update = Table.update

    def broken(table: Table, key: Any, *args: Any, **kwargs: Any) -> Any:
        if key["pk"]["S"] == f"COUNTER#{OTHER}":
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return update(table, key, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "update", broken)
        assert observe(observe.journal, *noted) == sequence(noted[1])
    assert observe(observe.journal, *noted) is None
    assert (observe.states(), observe.states(OTHER)) == ({"READY": 1}, {"DEAD": 1})


def test_what_the_stream_gave_up_is_counted_under_the_name_of_another_shard(observe: Observing) -> None:
    """As docs/operations.md says."""
    stream = Stream()
    given_up, after = stream.life("t1", "READY", "RUNNING"), stream.life("t2", "DEAD")
    observe(stream, *after)
    observe(stream, *given_up)
    assert observe.states() == {"DEAD": 1}
    for _ in range(2):
        observe(Stream("by-hand-1"), *given_up)
    assert observe.states() == {"DEAD": 1, "RUNNING": 1}


def test_an_answer_that_was_lost_counts_once(observe: Observing, monkeypatch: pytest.MonkeyPatch) -> None:
    update = Table.update

    def answer_lost(*args: Any, **kwargs: Any) -> Any:
        update(*args, **kwargs)
        return update(*args, **kwargs)

    monkeypatch.setattr(Table, "update", answer_lost)
    assert observe(Stream(), *event("observer", "life")["Records"]) is None
    assert observe.states() == {"SUCCESS": 1}


def test_a_journals_item_expires_after_the_stream_has_forgotten_its_records(aws: Cloud, observe: Observing) -> None:
    stream = Stream()
    records = stream.life("t1", "READY", "RUNNING")
    observe(stream, records[0])
    [item] = aws.items()
    assert (
        int(item["expiresAt"]["N"])
        == int(records[0]["dynamodb"]["ApproximateCreationDateTime"]) + POSITION_RETENTION_SECONDS
    )
    assert observe.states() == {"READY": 1}
    aws.client("dynamodb").delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})
    assert observe(observe.journal, observe.journal.record(item, None, by_ttl=True)) is None
    observe(stream, records[1])
    assert observe.states() == {"RUNNING": 1}


def unavailable(*_: object, **__: object) -> None:
    raise StoreUnavailable("DynamoDB", "ThrottlingException")
