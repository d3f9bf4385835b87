"""The observer's event source: nothing is missed, nothing blocks the stream for ever."""

from __future__ import annotations

import json

from infra.config import config_of
from tests.infra.template import Template, target


def test_the_stream_is_read_with_limits(template: Template) -> None:
    (source,) = template.sources("observer")
    (table,) = template.of_type("AWS::DynamoDB::Table")
    assert source["EventSourceArn"] == {"Fn::GetAtt": [table, "StreamArn"]}
    assert source["StartingPosition"] == "TRIM_HORIZON"
    config = config_of(template.environment)
    gathered = (source["BatchSize"], source["MaximumBatchingWindowInSeconds"])
    assert gathered == (config.observer_batch, config.observer_window_seconds)
    assert (source["MaximumRetryAttempts"], source["MaximumRecordAgeInSeconds"]) == (10, 3600)
    assert source["BisectBatchOnFunctionError"] is True
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_only_changes_of_tasks_and_runs_are_read(template: Template) -> None:
    (source,) = template.sources("observer")
    (only,) = source["FilterCriteria"]["Filters"]
    assert json.loads(only["Pattern"]) == {"dynamodb": {"Keys": {"sk": {"S": ["TASK", "WORKFLOW"]}}}}


def test_what_is_given_up_goes_to_a_queue_that_nobody_empties(template: Template) -> None:
    (source,) = template.sources("observer")
    queue = target(source["DestinationConfig"]["OnFailure"]["Destination"])
    consumed = {
        target(mapping["EventSourceArn"]) for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    assert queue in template.of_type("AWS::SQS::Queue")
    assert queue not in consumed
