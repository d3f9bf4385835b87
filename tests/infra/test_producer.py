"""Firing and producer: who may invoke which, and what failed is tried again for a day."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from tests.infra.template import Template, as_list, target


def test_scripts_find_it_by_a_fixed_name(template: Template) -> None:
    function = template.function("producer")
    assert function["FunctionName"] == f"Taskyard-{template.environment}-producer"
    output = template.body["Outputs"]["ProducerFunction"]["Value"]
    assert target(output) == template.functions()["producer"][0]


def test_schedules_are_made_to_call_the_firing_function(template: Template) -> None:
    function = template.function("firing")
    assert function["FunctionName"] == f"Taskyard-{template.environment}-firing"
    for part in ("api", "producer", "firing"):
        assert template.variables(part)["FIRING_ARN"].endswith(f":function:{function['FunctionName']}")


def test_schedulers_role_is_of_its_group_and_fires_only(template: Template) -> None:
    """And through the producer, what was made before there was a firing function."""
    variables = template.function("api")["Environment"]["Variables"]
    role = template.properties(variables["SCHEDULE_ROLE_ARN"])
    assert target(variables["SCHEDULE_GROUP"]) in str(role["AssumeRolePolicyDocument"])
    assert target(variables["SCHEDULE_GROUP"]) != target(variables["TIMER_GROUP"])
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    firing, producer = (template.resolve(resource) for resource in as_list(statement["Resource"]))
    assert firing == template.variables("api")["FIRING_ARN"]
    assert producer.endswith(f":function:{template.function('producer')['FunctionName']}")


def test_nobody_but_schedulers_role_may_invoke_the_firing_function(template: Template) -> None:
    name = template.functions()["firing"][0]
    arn = template.variables("api")["FIRING_ARN"]
    schedulers = target(template.function("api")["Environment"]["Variables"]["SCHEDULE_ROLE_ARN"])
    invokers = {
        role
        for role, properties in template.of_type("AWS::IAM::Role").items()
        for policy in properties.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if any(action in ("lambda:InvokeFunction", "lambda:*", "*") for action in as_list(statement["Action"]))
        if any(reaches(template, resource, name, arn) for resource in as_list(statement["Resource"]))
    }
    assert invokers == {schedulers}
    for permission in template.of_type("AWS::Lambda::Permission").values():
        assert not reaches(template, permission["FunctionName"], name, arn)
    assert not template.of_type("AWS::Lambda::Url")


def reaches(template: Template, resource: Any, name: str, arn: str) -> bool:
    """Whether what a statement speaks of is, or includes, the function with this logical id and ARN."""
    text = template.resolve(resource)
    return name in text or fnmatch(arn, text)


def test_what_both_failed_at_goes_to_one_queue_and_from_there_to_the_firing_function(template: Template) -> None:
    functions = {template.functions()[part][0] for part in ("producer", "firing")}
    invokes = list(template.of_type("AWS::Lambda::EventInvokeConfig").values())
    assert {target(invoke["FunctionName"]) for invoke in invokes} == functions
    (source,) = template.sources("firing")
    assert [invoke["DestinationConfig"]["OnFailure"]["Destination"] for invoke in invokes] == [
        source["EventSourceArn"]
    ] * 2
    assert template.sources("producer") == []
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    properties = template.properties(source["EventSourceArn"])
    assert properties["MessageRetentionPeriod"] == 86_400
    assert properties["VisibilityTimeout"] >= 6 * template.function("firing")["Timeout"]
