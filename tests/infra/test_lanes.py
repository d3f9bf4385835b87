"""The lanes: queues, redrive, and the event sources on both ends."""

from __future__ import annotations

import pytest

from app import CONFIGS
from tests.infra.template import Template, target
from tests.model.quotas import QUOTAS

LANES = ("high", "normal", "low")
TWO_WEEKS = 14 * 24 * 3600


@pytest.mark.parametrize("lane", LANES)
def test_a_message_stays_hidden_for_as_long_as_its_worker_may_run(template: Template, lane: str) -> None:
    queue, dead_letters = template.lane(lane)
    timeout = template.function(f"worker-{lane}")["Timeout"]
    assert timeout == CONFIGS[template.environment].worker_timeout_seconds
    assert queue["VisibilityTimeout"] == timeout + 10
    assert dead_letters["VisibilityTimeout"] >= template.function("dead-letter")["Timeout"]


@pytest.mark.parametrize("lane", LANES)
def test_crashes_end_in_the_lanes_own_dead_letter_queue(template: Template, lane: str) -> None:
    queue, dead_letters = template.lane(lane)
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 12
    assert "RedrivePolicy" not in dead_letters
    assert queue["MessageRetentionPeriod"] == dead_letters["MessageRetentionPeriod"] == TWO_WEEKS


def test_no_two_lanes_share_a_queue(template: Template) -> None:
    sources = [template.sources(f"worker-{lane}") for lane in LANES]
    queues = {target(source["EventSourceArn"]) for (source,) in sources}
    targets = {target(template.lane(lane)[0]["RedrivePolicy"]["deadLetterTargetArn"]) for lane in LANES}
    assert (len(queues), len(targets), queues & targets) == (3, 3, set())


@pytest.mark.parametrize("lane", LANES)
def test_workers_take_batches_and_report_each_message(template: Template, lane: str) -> None:
    (source,) = template.sources(f"worker-{lane}")
    (wanted,) = [it for it in CONFIGS[template.environment].lanes if it.name == lane]
    assert source["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in source
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": wanted.max_concurrency}
    assert wanted.max_concurrency >= 2


def test_one_function_takes_all_dead_letters(template: Template) -> None:
    sources = template.sources("dead-letter")
    targets = {target(template.lane(lane)[0]["RedrivePolicy"]["deadLetterTargetArn"]) for lane in LANES}
    assert {target(source["EventSourceArn"]) for source in sources} == targets
    for source in sources:
        assert source["BatchSize"] == 10
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_queues_are_encrypted_and_refuse_plain_http(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    assert all(queue.get("SqsManagedSseEnabled") or queue.get("KmsMasterKeyId") for queue in queues.values())
    guarded = {
        target(queue)
        for policy in template.of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        if "aws:SecureTransport" in str(policy["PolicyDocument"])
    }
    assert guarded == set(queues)


def test_dev_leaves_room_in_an_account_of_ten_invocations_at_once(dev: Template) -> None:
    """Of the others each needs one: the API, the stream's observer, and one of those that rarely run."""
    workers = [dev.sources(f"worker-{lane}")[0]["ScalingConfig"]["MaximumConcurrency"] for lane in LANES]
    assert sum(workers) + 3 <= QUOTAS["lambda concurrency, new account"].limit
    reserved = [it for it in dev.of_type("AWS::Lambda::Function").values() if "ReservedConcurrentExecutions" in it]
    assert reserved == [], "AWS keeps 100 unreserved: an account of 10 could not deploy it"
