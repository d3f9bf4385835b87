"""The producer and what fires it: nothing else may, and a firing that fails is tried again for a day."""

from __future__ import annotations

from tests.infra.template import Template, as_list, target


def test_scripts_find_it_by_a_fixed_name(template: Template) -> None:
    function = template.function("producer")
    assert function["FunctionName"] == f"Taskyard-{template.environment}-producer"
    output = template.body["Outputs"]["ProducerFunction"]["Value"]
    assert target(output) == template.functions()["producer"][0]
    assert template.variables("api")["PRODUCER_ARN"].endswith(f":function:{function['FunctionName']}")


def test_schedules_of_its_group_may_invoke_the_producer_and_nothing_else(template: Template) -> None:
    variables = template.function("api")["Environment"]["Variables"]
    role = template.properties(variables["SCHEDULE_ROLE_ARN"])
    assert target(variables["SCHEDULE_GROUP"]) in str(role["AssumeRolePolicyDocument"])
    assert target(variables["SCHEDULE_GROUP"]) != target(variables["TIMER_GROUP"])
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    (resource,) = as_list(statement["Resource"])
    assert template.resolve(resource) == template.variables("api")["PRODUCER_ARN"]


def test_what_it_failed_at_goes_to_its_queue_and_from_there_round_again(template: Template) -> None:
    (invoke,) = template.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert target(invoke["FunctionName"]) == template.functions()["producer"][0]
    queue = invoke["DestinationConfig"]["OnFailure"]["Destination"]
    (source,) = template.sources("producer")
    assert source["EventSourceArn"] == queue
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    properties = template.properties(queue)
    assert properties["MessageRetentionPeriod"] == 86_400
    assert properties["VisibilityTimeout"] >= 6 * template.function("producer")["Timeout"]
