"""What each role may do: exactly the actions of the contract, on exactly these resources."""

from __future__ import annotations

import pytest

from app import CONFIGS
from tests.infra.template import PARTS, Template, as_list, target

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
DISPATCH = {"sqs:SendMessage", "scheduler:CreateSchedule", "iam:PassRole"}
ANSWER = {"states:SendTaskSuccess"}
TELL = {"states:StartExecution"}
START_RUNS = {"states:StartExecution"}
WORKER = {
    *LOGS,
    *CONSUME,
    "sqs:ChangeMessageVisibility",
    *DISPATCH,
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:Query",
    "dynamodb:DeleteItem",
    "dynamodb:BatchGetItem",
    *ANSWER,
    *TELL,
    "s3:GetObject",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
    "ses:SendEmail",
}
PRODUCER = {
    *LOGS,
    *DISPATCH,
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:BatchGetItem",
    "s3:GetObject",
    "s3:PutObject",
    "scheduler:GetSchedule",
    "scheduler:UpdateSchedule",
    "scheduler:DeleteSchedule",
}
ACTIONS = {
    "api": {
        *LOGS,
        *DISPATCH,
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "s3:GetObject",
        "s3:PutObject",
        "sqs:GetQueueAttributes",
        "states:StartExecution",
        *ANSWER,
        "scheduler:UpdateSchedule",
        "scheduler:DeleteSchedule",
    },
    "producer": PRODUCER,
    "firing": PRODUCER | CONSUME | START_RUNS,
    "worker-high": WORKER,
    "worker-normal": WORKER,
    "worker-low": WORKER,
    "dead-letter": {
        *LOGS,
        *CONSUME,
        *DISPATCH,
        *ANSWER,
        *TELL,
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    },
    "workflow": {
        *LOGS,
        *DISPATCH,
        *ANSWER,
        *TELL,
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "s3:GetObject",
        "s3:PutObject",
    },
    "notifier": {
        *LOGS,
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "secretsmanager:GetSecretValue",
        "ses:SendEmail",
    },
    "observer": {
        *LOGS,
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:Query",
        "s3:DeleteObject",
        "sqs:SendMessage",
    },
}
# How resources may end: in a wildcard only where names are made at run time, or AWS knows no narrower one.
WILDCARDS: dict[str, str | tuple[str, ...]] = {
    "dynamodb:Query": "/index/*",
    "dynamodb:ListStreams": "/stream/*",
    "s3:GetObject": "/*",
    "s3:PutObject": "/*",
    "s3:DeleteObject": "/*",
    "scheduler:CreateSchedule": "/*",
    "scheduler:GetSchedule": "/*",
    "scheduler:UpdateSchedule": "/*",
    "scheduler:DeleteSchedule": "/*",
    "secretsmanager:GetSecretValue": ("/webhooks/*", "/secrets/*"),
    "ses:SendEmail": (":identity/*", ":configuration-set/*"),
    "states:SendTaskSuccess": "*",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_role_may_do_what_its_function_does_and_no_more(template: Template, part: str) -> None:
    granted = {action for statement in template.statements(part) for action in as_list(statement["Action"])}
    # What it needs of the key follows from these: tests/infra/test_encryption.py.
    assert {action for action in granted if not action.startswith("kms:")} == ACTIONS[part]


@pytest.mark.parametrize("part", PARTS)
def test_no_statement_reaches_further_than_aws_makes_it(template: Template, part: str) -> None:
    for statement in template.statements(part):
        for resource in as_list(statement["Resource"]):
            text = template.resolve(resource)
            if "*" in text:
                for action in as_list(statement["Action"]):
                    assert action in WILDCARDS, f"{action} on {text}"
                    assert text.endswith(WILDCARDS[action])
                    assert text.count("*") == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_role_has_no_managed_policy(template: Template, part: str) -> None:
    role = template.properties(template.function(part)["Role"])
    assert "ManagedPolicyArns" not in role
    assert not template.of_type("AWS::IAM::Policy")


@pytest.mark.parametrize("part", PARTS)
def test_a_function_writes_to_its_own_log_group_only(template: Template, part: str) -> None:
    (statement,) = [it for it in template.statements(part) if LOGS & set(as_list(it["Action"]))]
    assert target(statement["Resource"]) == target(template.function(part)["LoggingConfig"]["LogGroup"])


@pytest.mark.parametrize("lane", ["high", "normal", "low"])
def test_a_worker_takes_from_its_own_lane_only(template: Template, lane: str) -> None:
    (statement,) = [it for it in template.statements(f"worker-{lane}") if "sqs:ReceiveMessage" in as_list(it["Action"])]
    (source,) = template.sources(f"worker-{lane}")
    assert statement["Resource"] == source["EventSourceArn"]


@pytest.mark.parametrize("part", [part for part in PARTS if "iam:PassRole" in ACTIONS[part]])
def test_schedulers_roles_are_passed_to_scheduler_only(template: Template, part: str) -> None:
    statements = [it for it in template.statements(part) if it["Action"] == "iam:PassRole"]
    for statement in statements:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    variables = template.variables(part)
    roles = {variables[name] for name in ("TIMER_ROLE_ARN", "SCHEDULE_ROLE_ARN") if name in variables}
    assert {template.resolve(statement["Resource"]) for statement in statements} == roles


@pytest.mark.parametrize("part", [part for part in PARTS if "scheduler:CreateSchedule" in ACTIONS[part]])
def test_timers_are_made_and_only_the_api_takes_them_back(template: Template, part: str) -> None:
    (statement,) = [it for it in template.statements(part) if it.get("Sid") == "Timers"]
    deletes = ["scheduler:DeleteSchedule"] if part == "api" else []
    assert as_list(statement["Action"]) == ["scheduler:CreateSchedule", *deletes]


@pytest.mark.parametrize("part", [part for part in PARTS if "ses:SendEmail" in ACTIONS[part]])
def test_mail_is_sent_by_allowed_senders_only_and_with_a_default_configuration_set(
    template: Template, part: str
) -> None:
    config = CONFIGS[template.environment]
    (statement,) = [it for it in template.statements(part) if "ses:SendEmail" in as_list(it["Action"])]
    senders = [config.mail_from] if part == "notifier" else list(config.senders)
    assert as_list(statement["Condition"]["StringEquals"]["ses:FromAddress"]) == senders
    resources = {template.resolve(resource).rpartition(":")[2] for resource in statement["Resource"]}
    assert resources == {"identity/*", "configuration-set/*"}
