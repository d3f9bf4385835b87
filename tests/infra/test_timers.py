"""Timers: what EventBridge Scheduler may do, and on whose behalf."""

from __future__ import annotations

from typing import Any

from tests.infra.template import Template, target

LANES = ("high", "normal", "low")


def _role(template: Template) -> dict[str, Any]:
    group = target(template.function("api")["Environment"]["Variables"]["TIMER_GROUP"])
    role = template.properties(template.function("api")["Environment"]["Variables"]["TIMER_ROLE_ARN"])
    assert "scheduler.amazonaws.com" in str(role["AssumeRolePolicyDocument"])
    assert group in str(role["AssumeRolePolicyDocument"]), "only schedules of this group may use the role"
    return role


def test_a_timer_may_send_to_the_lanes_and_where_its_failures_go_and_nowhere_else(template: Template) -> None:
    (policy,) = _role(template)["Policies"]
    # The use of the queues' key aside: tests/infra/test_encryption.py.
    statement, *others = policy["PolicyDocument"]["Statement"]
    assert not [it for it in others if not it["Sid"].startswith("Key")]
    assert statement["Action"] == "sqs:SendMessage"
    queues = {target(template.sources(f"worker-{lane}")[0]["EventSourceArn"]) for lane in LANES}
    dead = {target(template.lane(lane)[0]["RedrivePolicy"]["deadLetterTargetArn"]) for lane in LANES}
    assert {target(resource) for resource in statement["Resource"]} == queues | dead
