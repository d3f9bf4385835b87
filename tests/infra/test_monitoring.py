"""Alarms, their topic, and what the dashboard shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app import CONFIGS
from infra.config import MAX_DELAY_SECONDS
from tests.infra.template import PARTS, Template, target

LANES = ("high", "normal", "low")
# Functions that tell their state machine by an error that it is to try again, and the metric of their other errors.
ERRS_BY_DESIGN = {"notifier": "NotifierErrors", "workflow": "WorkflowErrors"}
SHOWN = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateAgeOfOldestMessage",
    "NumberOfMessagesReceived",
    "TaskSubmitted",
    "TaskStarted",
    "TaskSucceeded",
    "TaskFailed",
    "TaskRetried",
    "TaskDeadLettered",
    "WakeupReturned",
    "QueueWait",
    "RunTime",
    "Drift",
    "Errors",
    "Throttles",
    "Duration",
    "IteratorAge",
    "WriteThrottleEvents",
    "ReadThrottleEvents",
    "NotificationDelivered",
    "NotificationRetried",
    "NotificationUndeliverable",
    "ScheduleFired",
    "ScheduleSkipped",
    "ScheduleMissed",
    "ScheduleRefused",
)


def _alarms(template: Template) -> list[dict[str, Any]]:
    return list(template.of_type("AWS::CloudWatch::Alarm").values())


def _of(template: Template, metric: str, resource: str) -> list[dict[str, Any]]:
    """The alarms on a metric of a resource."""
    return [
        alarm
        for alarm in _alarms(template)
        if alarm["MetricName"] == metric
        and resource in {target(it["Value"]) for it in alarm["Dimensions"] if not isinstance(it["Value"], str)}
    ]


def test_an_audit_record_that_could_not_be_written_alarms(template: Template) -> None:
    [alarm] = [each for each in _alarms(template) if each["MetricName"] == "AuditRecordUnwritten"]
    assert (alarm["Threshold"], alarm["Statistic"]) == (1, "Sum")
    assert alarm["Dimensions"] == [{"Name": "Environment", "Value": template.environment}]


def test_no_alarm_is_metric_math(template: Template) -> None:
    assert [alarm for alarm in _alarms(template) if "Metrics" in alarm] == []


def test_what_comes_to_any_dead_letter_queue_alarms_though_it_is_taken_at_once(template: Template) -> None:
    (alarm,) = _of(template, "Invocations", template.functions()["dead-letter"][0])
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)
    dead = {target(template.lane(lane)[0]["RedrivePolicy"]["deadLetterTargetArn"]) for lane in LANES}
    assert {target(source["EventSourceArn"]) for source in template.sources("dead-letter")} == dead


@pytest.mark.parametrize("lane", LANES)
def test_a_dead_letter_queue_that_stays_full_alarms(template: Template, lane: str) -> None:
    dead = target(template.lane(lane)[0]["RedrivePolicy"]["deadLetterTargetArn"])
    (alarm,) = _of(template, "ApproximateNumberOfMessagesVisible", dead)
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Minimum", 1)


def test_what_the_producer_failed_at_alarms_for_as_long_as_it_is_tried(template: Template) -> None:
    queue = target(template.sources("firing")[0]["EventSourceArn"])
    (alarm,) = _of(template, "NumberOfMessagesReceived", queue)
    assert alarm["Period"] >= template.properties({"Ref": queue})["VisibilityTimeout"]


@pytest.mark.parametrize("lane", LANES)
def test_an_old_message_alarms_but_one_delayed_on_purpose_does_not(template: Template, lane: str) -> None:
    queue = target(template.sources(f"worker-{lane}")[0]["EventSourceArn"])
    (alarm,) = _of(template, "ApproximateAgeOfOldestMessage", queue)
    assert alarm["Threshold"] > MAX_DELAY_SECONDS + CONFIGS[template.environment].worker_timeout_seconds


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ERRS_BY_DESIGN])
def test_an_error_of_any_function_alarms(template: Template, part: str) -> None:
    (alarm,) = _of(template, "Errors", template.functions()[part][0])
    assert alarm["Threshold"] == 1


@pytest.mark.parametrize(("part", "metric"), ERRS_BY_DESIGN.items())
def test_a_function_that_errs_by_design_alarms_at_what_it_counts_itself(
    template: Template, part: str, metric: str
) -> None:
    assert _of(template, "Errors", template.functions()[part][0]) == []
    (own,) = (alarm for alarm in _alarms(template) if alarm["MetricName"] == metric)
    assert (own["Namespace"], own["Threshold"]) == ("Taskyard", 1)
    assert own["Dimensions"] == [{"Name": "Environment", "Value": template.environment}]


def test_changes_that_the_observer_gave_up_on_alarm(template: Template) -> None:
    queue = target(template.sources("observer")[0]["DestinationConfig"]["OnFailure"]["Destination"])
    assert len(_of(template, "ApproximateNumberOfMessagesVisible", queue)) == 1


def test_server_errors_of_each_api_alarm(template: Template) -> None:
    apis = template.of_type("AWS::ApiGatewayV2::Api")
    assert len(apis) == 2
    for api in apis:
        (alarm,) = _of(template, "5xx", api)
        assert (alarm["Namespace"], alarm["Statistic"], alarm["Period"]) == ("AWS/ApiGateway", "Sum", 300)
        assert alarm["Threshold"] == 5


def test_the_dashboard_shows_the_requests_of_each_api(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(template.resolve(dashboard["DashboardBody"]))["widgets"]
    (requests,) = [it["properties"] for it in widgets if it["properties"].get("title") == "Requests"]
    shown = {(metric[3], metric[1]) for metric in requests["metrics"]}
    apis = [f"ref-{api}" for api in template.of_type("AWS::ApiGatewayV2::Api")]
    assert shown == {(api, name) for api in apis for name in ("Count", "4xx", "5xx")}


def test_every_alarm_tells_one_encrypted_topic(template: Template) -> None:
    (name,) = template.of_type("AWS::SNS::Topic")
    assert all(alarm["AlarmActions"] == [{"Ref": name}] for alarm in _alarms(template))
    key = template.properties(template.of_type("AWS::SNS::Topic")[name]["KmsMasterKeyId"])
    assert key["EnableKeyRotation"] is True
    assert "cloudwatch.amazonaws.com" in str(key["KeyPolicy"]), "CloudWatch could not publish"


def test_nobody_is_mailed_unless_the_configuration_says_who(template: Template) -> None:
    subscriptions = template.of_type("AWS::SNS::Subscription").values()
    email = CONFIGS[template.environment].alarm_email
    assert [it["Endpoint"] for it in subscriptions] == ([email] if email else [])


def test_the_dashboard_is_named_for_stack_and_region_since_all_regions_share_the_names(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == template.body["Outputs"]["DashboardName"]["Value"]
    assert template.resolve(dashboard["DashboardName"]) == f"Taskyard-{template.environment}-ref-AWS::Region"


@pytest.mark.parametrize("metric", SHOWN)
def test_the_dashboard_shows(template: Template, metric: str) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(template.resolve(dashboard["DashboardBody"]))["widgets"]
    assert any(f"'{metric}'" in str(widget) for widget in widgets)
