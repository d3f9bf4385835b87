"""Events that nobody should send, to every function.

What cannot be read ends: in the dead-letter queue, or dropped with a log and a metric. What stands beside it is done.
The API has its own: test_api_fuzz.py."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.core.states import State
from functions.core.wakeup import WakeUp
from functions.store.counters import Counters
from functions.store.keys import journal_key
from functions.store.table import Table
from tests.integration import fuzzed
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import MAX_RECEIVES, TABLE, TENANT, Cloud, event, function_arn
from tests.integration.conftest import START, Clock
from tests.integration.scene import Scene, metrics
from tests.integration.schedules import create, in_scheduler
from tests.integration.stream import Stream

HOUR = 3600
NUMBERS = itertools.count(1)
WAKEUP = json.loads(WakeUp(tenant=TENANT, task="good-0", generation=1, timeout_seconds=30).body())
BY_SCHEDULER = {"MessageBody": json.dumps(WAKEUP), "QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/normal"}


def repr_of_case(case: Any) -> str:
    return repr(case)[:80]


@st.composite
def unreadable_bodies(draw: Any) -> str:
    """Some of them can be read."""
    if draw(st.booleans()):
        return str(draw(fuzzed.bodies(WAKEUP)))
    inner = draw(fuzzed.bodies(WAKEUP))
    return json.dumps(BY_SCHEDULER | {"MessageBody": inner})


def is_wakeup(body: str) -> bool:
    try:
        WakeUp.parse(body)
    except ValueError:
        return False
    return True


def with_body(scene: Scene, body: str, **delivery: Any) -> dict[str, Any]:
    return scene.message(**delivery) | {"body": body}


@fuzzed.EXAMPLES
@given(bad=st.lists(unreadable_bodies(), min_size=1, max_size=3), at=st.integers(0, 3))
def test_worker_with_unreadable_messages_does_the_others_and_names_those(scene: Scene, bad: list[str], at: int) -> None:
    task = f"good-{next(NUMBERS)}"
    scene.put(task)
    messages = [with_body(scene, body) for body in bad]
    good = scene.message(task)
    stay = scene.deliver(*messages[:at], good, *messages[at:])
    assert scene.task(task).state is State.SUCCESS
    assert good["messageId"] not in stay
    assert {m["messageId"] for m in messages if not is_wakeup(m["body"])} <= set(stay)


@fuzzed.EXAMPLES
@given(body=unreadable_bodies())
def test_message_that_a_worker_keeps_ends_in_the_dead_letter_function(scene: Scene, body: str) -> None:
    """After its last receive, long after it was sent. No message may go round between the two for ever."""
    number = next(NUMBERS)
    old = with_body(scene, body, age=HOUR, receives=MAX_RECEIVES)
    scene.deliver(old)
    task = f"good-{number}"
    scene.put(task, state=State.READY, available_at=scene.clock.now + 60_000)
    scene.aws.forget_calls()
    records = [old, scene.message(task, age=HOUR)]
    answer = scene.aws.invoke("dead_letter", {"Records": records})
    assert answer == {"batchItemFailures": []}
    assert task in [wakeup["task"] for wakeup in scene.aws.wakeups()]


@st.composite
def changed_images(draw: Any, record: dict[str, Any]) -> dict[str, Any]:
    """A record of an item that somebody else wrote. Its number and time are DynamoDB's own."""
    kept = ("SequenceNumber", "ApproximateCreationDateTime")
    made: dict[str, Any] = copy.deepcopy(record)
    for _ in range(draw(st.integers(1, 2))):
        part = draw(st.sampled_from([name for name in record["dynamodb"] if name in ("Keys", "NewImage", "OldImage")]))
        made["dynamodb"][part] = draw(st.one_of(fuzzed.GARBAGE, fuzzed.changed(record["dynamodb"][part])))
    made["dynamodb"] |= {name: record["dynamodb"][name] for name in kept}
    return made


@fuzzed.EXAMPLES
@given(data=st.data())
def test_observer_with_unreadable_records_counts_the_others_and_goes_on(aws: Cloud, data: st.DataObject) -> None:
    number = next(NUMBERS)
    tenant = f"tenant-{number}"
    stream, journal = Stream(f"shard-{number}"), Stream(f"journal-{number}")
    good = stream.life(f"good-{number}", "READY", "RUNNING", "SUCCESS", tenant=tenant)
    sample = stream.life(f"bad-{number}", "READY", tenant=f"other-{number}")
    sample += [stream.record(None, event("observer", "journal")["Records"][0]["dynamodb"]["NewImage"])]
    sample += [stream.record(stream.life("gone", "SUCCESS")[0]["dynamodb"]["NewImage"], None, by_ttl=True)]
    bad = [data.draw(changed_images(data.draw(st.sampled_from(sample)))) for _ in range(data.draw(st.integers(1, 3)))]
    at = data.draw(st.integers(0, len(good)))
    batch = fuzzed.as_lambda_reads(stream.batch(*good[:at], *bad, *good[at:]))
    assert aws.invoke("observer", batch) == {"state": {}, "batchItemFailures": []}
    noted = aws.client("dynamodb").get_item(TableName=TABLE, Key=journal_key(f"shard-{number}"))["Item"]
    assert aws.invoke("observer", journal.batch(journal.record(None, noted)))["batchItemFailures"] == []
    states = Counters(Table(aws.client("dynamodb"), TABLE)).read(tenant).states
    assert {state: count for state, count in states.items() if count} == {"SUCCESS": 1}


@fuzzed.EXAMPLES
@given(submit=st.one_of(fuzzed.GARBAGE, fuzzed.changed(event("producer", "submit"))))
def test_producer_with_any_event_answers_with_what_is_wrong(aws: Cloud, clock: Clock, submit: Any) -> None:
    answer = aws.invoke("producer", fuzzed.as_lambda_reads(submit))
    assert answer.get("status", 422) in (200, 201, 400, 413, 422), answer
    assert "status" in answer or answer["outcome"] == "dropped"


@pytest.fixture
def due(api: Api, aws: Cloud, clock: Clock) -> dict[str, Any]:
    """The input of a firing that is due now."""
    create(api)
    (made,) = in_scheduler(aws)
    clock.now = START + 60_000
    fields: dict[str, Any] = json.loads(made["Target"]["Input"])
    return fields | {"scheduledTime": "2026-02-02T02:41:00Z"}


@fuzzed.EXAMPLES
@given(data=st.data())
def test_firing_with_any_event_is_dropped_or_one_task(aws: Cloud, due: dict[str, Any], data: st.DataObject) -> None:
    firing = data.draw(st.one_of(fuzzed.GARBAGE, fuzzed.changed(due)))
    answer = aws.invoke("firing", fuzzed.as_lambda_reads(firing))
    assert answer["outcome"] in ("dropped", "submitted", "repeated", "missed")


def failed_invocation(payload: Any, function: str = "Taskyard-dev-firing") -> dict[str, Any]:
    record = copy.deepcopy(event("producer", "failed_firing")["Records"][0])
    body = json.loads(record["body"])
    body["requestPayload"] = payload
    body["requestContext"]["functionArn"] = f"{function_arn(function)}:$LATEST"
    return record | {"messageId": f"failed-{next(NUMBERS)}", "body": json.dumps(body)}


@fuzzed.EXAMPLES
@given(data=st.data())
def test_failed_invocations_that_are_unreadable_are_dropped_and_the_others_done(
    aws: Cloud, due: dict[str, Any], data: st.DataObject
) -> None:
    """A repetition would fail in the same way, every five minutes for a day."""
    good = failed_invocation(due)
    function = data.draw(st.sampled_from(["Taskyard-dev-firing", "Taskyard-dev-producer", "another"]))
    inner = data.draw(st.one_of(fuzzed.GARBAGE, fuzzed.changed(due), fuzzed.changed(event("producer", "submit"))))
    bad = failed_invocation(inner, function)
    if data.draw(st.booleans()):
        bad["body"] = data.draw(fuzzed.bodies(json.loads(bad["body"])))
    answer = aws.invoke("firing", {"Records": data.draw(st.permutations([good, bad]))})
    assert answer == {"batchItemFailures": []}
    assert len([item for item in aws.items() if item["sk"]["S"] == "TASK" and "schedule:" in str(item)]) >= 1


NOTIFICATIONS = [
    event("notifier", name)["notification"] for name in ("deliver_webhook", "deliver_email", "deliver_workflow")
]


@fuzzed.EXAMPLES
@given(
    notification=st.sampled_from(NOTIFICATIONS).flatmap(lambda each: st.one_of(fuzzed.GARBAGE, fuzzed.changed(each)))
)
def test_notification_that_is_unreadable_ends(aws: Cloud, clock: Clock, notification: Any) -> None:
    """An attempt may ask the machine for another; that it gives up must succeed, or nobody learns of it."""
    given_up = fuzzed.as_lambda_reads({"step": "give-up", "notification": notification, "error": "Lambda.Unknown"})
    attempt = {"step": "deliver", "notification": notification, "startedAt": "2026-02-02T02:40:00.123Z"}
    try:
        state = aws.invoke("notifier", fuzzed.as_lambda_reads(attempt))["state"]
    except Exception:
        state = "PENDING"
    assert state in ("DELIVERED", "UNDELIVERABLE", "PENDING")
    assert aws.invoke("notifier", given_up)["state"] in ("DELIVERED", "UNDELIVERABLE")


STEPS = [event("workflow", name) for name in ("start", "release", "finish")]


@fuzzed.EXAMPLES
@given(step=st.sampled_from(STEPS).flatmap(lambda each: st.one_of(fuzzed.GARBAGE, fuzzed.changed(each))))
def test_step_that_is_unreadable_is_an_error_and_writes_nothing(aws: Cloud, clock: Clock, step: Any) -> None:
    """The machine tries again a few times, then ends the run."""
    before = len(aws.items())
    with pytest.raises(Exception):  # noqa: B017 - which one is the machine's to name
        aws.invoke("workflow", fuzzed.as_lambda_reads(step))
    assert len(aws.items()) == before


# -- what fuzzing has found, and what else each function drops


UNREADABLE_INVOCATIONS = [
    "hello",
    "7",
    "[]",
    "{}",
    '{"requestPayload":{}}',
    '{"requestPayload":{},"requestContext":7}',
    '{"requestPayload":{},"requestContext":{"functionArn":7}}',
    pytest.param("[" * 100_000, id="deep"),
]


@pytest.mark.parametrize("body", UNREADABLE_INVOCATIONS)
def test_failed_invocation_that_is_unreadable_is_dropped_with_a_metric(
    aws: Cloud, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    record = failed_invocation({}) | {"body": body}
    assert aws.invoke("firing", {"Records": [record]}) == {"batchItemFailures": []}
    assert metrics(capsys.readouterr().out)["EventUnreadable"] == 1


@pytest.mark.parametrize("event", [None, 7, "submit", ["Records"], {"tenant": "\ud800", "schedule": "0" * 26}])
def test_firing_that_is_unreadable_is_dropped_with_a_metric(
    aws: Cloud, capsys: pytest.CaptureFixture[str], event: Any
) -> None:
    if isinstance(event, dict):
        event |= {"scheduledTime": "2026-02-02T02:41:00Z"}
    assert aws.invoke("firing", event)["outcome"] == "dropped"
    assert metrics(capsys.readouterr().out)["EventUnreadable"] == 1


def test_failed_submit_that_the_table_refuses_again_stays_in_its_queue(aws: Cloud, clock: Clock) -> None:
    """Nobody else reads the answer, which is a problem and no exception."""
    aws.client("dynamodb").delete_table(TableName=TABLE)
    record = failed_invocation({"submit": MESSAGE}, "Taskyard-dev-producer")
    answer = aws.invoke("firing", {"Records": [record]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}


def test_failed_submit_that_is_not_valid_is_not_repeated(aws: Cloud, clock: Clock) -> None:
    record = failed_invocation({"submit": {"type": "UNKNOWN"}}, "Taskyard-dev-producer")
    assert aws.invoke("firing", {"Records": [record]}) == {"batchItemFailures": []}


def test_dead_letter_that_is_unreadable_is_dropped_with_a_metric(
    aws: Cloud, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.invoke("dead_letter", event("dead_letter", "unreadable"))
    assert metrics(capsys.readouterr().out)["EventUnreadable"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"NewImage": {"type": {"S": ["NOTE"]}, "state": {"S": "READY"}}},
        {"NewImage": {"type": {"S": "NOTE"}, "state": {"S": {}}}},
        {"NewImage": {"type": {"S": "NOTE"}, "state": {"N": "7"}}},
        {"NewImage": {"type": {"S": "NOTE"}}},
        {"Keys": {"pk": {"S": 7}, "sk": {"S": "TASK"}}},
        {"Keys": {"pk": {"S": "JOURNAL"}, "sk": {"S": "BATCH#a"}}, "NewImage": {"sums": {"S": '{"t":7}'}}},
        {"Keys": {"pk": {"S": "JOURNAL"}, "sk": {"S": "BATCH#a"}}, "NewImage": {"sums": {"S": '{"t":{"NOTE":7}}'}}},
        {
            "Keys": {"pk": {"S": "JOURNAL"}, "sk": {"S": "BATCH#a"}},
            "NewImage": {"sums": {"S": '{"t":{"NOTE":{"READY":"1"}}}'}},
        },
        {"Keys": {"pk": {"S": "JOURNAL"}, "sk": {"S": "BATCH#a"}}, "NewImage": {"sums": {"S": "[" * 100_000}}},
        {"ApproximateCreationDateTime": float("inf")},
    ],
    ids=repr_of_case,
)
def test_record_that_is_unreadable_is_dropped_with_a_metric(
    aws: Cloud, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    stream = Stream()
    (record,) = stream.life("bad", "READY")
    record["dynamodb"] |= change
    assert aws.invoke("observer", stream.batch(record))["batchItemFailures"] == []
    assert metrics(capsys.readouterr().out)["EventUnreadable"] == 1


@pytest.mark.parametrize("step", ["deliver", "give-up"])
@pytest.mark.parametrize(
    "change",
    [
        {"of": "schedule"},
        {"id": 7},
        {"tenant": "\ud800"},
        {"tenant": "t" * 2048},
        {"event": ""},
        {"target": "0"},
        {"to": {}},
        {"to": {"webhook": 7}},
        {"to": {"webhook": "https://example.com", "secret": {}}},
        {"body": []},
        {"body": {}},
        {"expires_at": "tomorrow"},
        {"unknown": 1},
    ],
    ids=repr_of_case,
)
def test_notification_that_no_attempt_can_read_is_undeliverable_at_once(
    aws: Cloud, clock: Clock, capsys: pytest.CaptureFixture[str], step: str, change: dict[str, Any]
) -> None:
    given = event("notifier", "give_up") | {"step": step, "startedAt": "2026-02-02T02:40:00.123Z"}
    given["notification"] |= change
    assert aws.invoke("notifier", given) == {"state": "UNDELIVERABLE"}
    assert metrics(capsys.readouterr().out) == {"NotificationUndeliverable": 1}
