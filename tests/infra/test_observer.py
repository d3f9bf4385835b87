"""The observer's event source: nothing is missed, nothing blocks the stream for ever."""

from __future__ import annotations

import json

from app import CONFIGS
from functions.store import keys
from local.event_sources.filter_patterns import matches
from tests.infra.template import Template, target


def test_the_stream_is_read_with_limits(template: Template) -> None:
    (source,) = template.sources("observer")
    (table,) = template.of_type("AWS::DynamoDB::Table")
    assert source["EventSourceArn"] == {"Fn::GetAtt": [table, "StreamArn"]}
    assert source["StartingPosition"] == "TRIM_HORIZON"
    config = CONFIGS[template.environment]
    gathered = (source["BatchSize"], source["MaximumBatchingWindowInSeconds"])
    assert gathered == (config.observer_batch, config.observer_window_seconds)
    assert (source["MaximumRetryAttempts"], source["MaximumRecordAgeInSeconds"]) == (10, 3600)
    assert source["BisectBatchOnFunctionError"] is True
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_function_is_told_which_shard_it_reads_and_has_it_alone(template: Template) -> None:
    (source,) = template.sources("observer")
    assert source["TumblingWindowInSeconds"] > 0
    assert source.get("ParallelizationFactor", 1) == 1


def test_only_what_is_counted_is_read(template: Template) -> None:
    (source,) = template.sources("observer")
    records, schedules = (json.loads(each["Pattern"]) for each in source["FilterCriteria"]["Filters"])
    wanted = ["TASK", "WORKFLOW", {"prefix": keys.JOURNAL_BATCH}]
    assert records == {"dynamodb": {"Keys": {"sk": {"S": wanted}}}}
    has_document = {"workflowRef": {"S": [{"exists": True}]}}
    assert schedules == {"dynamodb": {"Keys": {"sk": {"S": [keys.SCHEDULE]}}, "OldImage": has_document}}


def test_an_audit_record_invokes_nothing(template: Template) -> None:
    """Neither when it is written nor when TTL removes it."""
    (source,) = template.sources("observer")
    patterns = [json.loads(each["Pattern"]) for each in source["FilterCriteria"]["Filters"]]
    for name in ("INSERT", "REMOVE"):
        change = {
            "eventName": name,
            "dynamodb": {
                "Keys": {
                    "pk": {"S": keys.audit_partition("acme")},
                    "sk": {"S": keys.audit_sort_key(1_770_000_000_000, "request")},
                }
            },
        }
        assert not any(matches(pattern, change) for pattern in patterns)


def test_what_is_given_up_goes_to_a_queue_that_nobody_empties(template: Template) -> None:
    (source,) = template.sources("observer")
    queue = target(source["DestinationConfig"]["OnFailure"]["Destination"])
    consumed = {
        target(mapping["EventSourceArn"]) for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    assert queue in template.of_type("AWS::SQS::Queue")
    assert queue not in consumed
