"""Schedules that an app declares: a custom resource each, behind a function that other stacks do not have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from functions.runtime.environment import ENVIRONMENT_CLASSES
from functions.schedule_provider.declaration import DeclarationEvent
from tests.declared import run_declared, synthesize_declared
from tests.infra.template import Template, target
from tests.integration.cloud import event

PROVIDER = "schedule-provider"


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory, offline: Mapping[str, str], assets: Any) -> Template:
    out = tmp_path_factory.mktemp("declared")
    return Template(body=json.loads(synthesize_declared(out, offline).read_text()), out=out, environment="declared")


def test_declared_schedule_is_a_custom_resource_that_its_function_reads(declared: Template) -> None:
    resources = declared.of_type("Custom::TaskyardSchedule").values()
    assert {each["Name"] for each in resources} == {"nightly", "steps"}
    for properties in resources:
        assert target(properties["ServiceToken"]) == declared.functions()[PROVIDER][0]
        assert properties["Tenant"] == {"Ref": "AWS::AccountId"}
        assert int(properties["ServiceTimeout"]) < 3600
        parsed = DeclarationEvent.parse(event("schedule_provider", "create") | {"ResourceProperties": properties})
        assert parsed.definition["name"] == properties["Name"]


def test_provider_gets_its_variables_and_no_other_invoker(declared: Template) -> None:
    function = declared.function(PROVIDER)
    variables = {name: declared.resolve(value) for name, value in function["Environment"]["Variables"].items()}
    assert set(declared.function("firing")["Environment"]["Variables"]) == set(variables)
    assert function["Handler"] in ENVIRONMENT_CLASSES
    invoked = {target(each["FunctionName"]) for each in declared.of_type("AWS::Lambda::Permission").values()}
    assert declared.functions()[PROVIDER][0] not in invoked


def test_provider_may_do_what_a_change_of_a_schedule_takes(declared: Template) -> None:
    actions = set()
    for statement in declared.statements(PROVIDER):
        actions |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    assert actions == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:BatchGetItem",
        "s3:GetObject",
        "s3:PutObject",
        "sqs:SendMessage",
        "states:StartExecution",
        "scheduler:CreateSchedule",
        "scheduler:UpdateSchedule",
        "scheduler:DeleteSchedule",
        "iam:PassRole",
    }


def test_stack_without_declared_schedules_has_no_provider(template: Template) -> None:
    assert PROVIDER not in template.functions()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cron": "61 2 * * *"}, "schedule 'nightly': cron: minute: 61 is not from 0 to 59"),
        ({"task_type": "NOBODYS"}, "schedule 'nightly': task.type: "),
    ],
)
def test_invalid_schedule_stops_the_synthesis_with_its_field(
    tmp_path: Path, offline: Mapping[str, str], fields: dict[str, str], message: str, assets: Any
) -> None:
    ran = run_declared(tmp_path, **fields, environment=offline)  # type: ignore[arg-type]
    assert ran.returncode != 0
    assert message in ran.stderr
