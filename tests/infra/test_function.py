"""What every function has in common, and the variables that each gets."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from app import CONFIGS
from infra.functions.variables import VARIABLES as DESCRIPTIONS
from infra.node import use_bundled_node
from tests.infra.template import PARTS, Template, target

COMMON = {"ENVIRONMENT", "LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "TABLE_NAME"}
DISPATCH = {
    "LANES",
    "TIMER_GROUP",
    "TIMER_ROLE_ARN",
    "WORKER_TIMEOUT_SECONDS",
    "LISTING_SHARDS",
    "RETENTION_DAYS",
    "NOTIFY_MACHINE_ARN",
}
WORKER = (
    COMMON
    | DISPATCH
    | {"DOCUMENT_BUCKET", "HANDLER_SECRETS", "LANE", "MAIL_FROM", "MAIL_SENDERS", "WEBHOOK_REACH", "WEBHOOK_SECRETS"}
)
INTAKE = (
    COMMON
    | DISPATCH
    | {
        "DOCUMENT_BUCKET",
        "RUN_MACHINE_ARN",
        "AUTH",
        "WEBHOOK_REACH",
        "MAIL_SENDERS",
        "SCHEDULE_GROUP",
        "SCHEDULE_ROLE_ARN",
        "FIRING_ARN",
    }
)
VARIABLES = {
    "api": INTAKE | {"AUDIT_RETENTION_DAYS"},
    "producer": INTAKE,
    "firing": INTAKE,
    "worker-high": WORKER,
    "worker-normal": WORKER,
    "worker-low": WORKER,
    "dead-letter": COMMON | DISPATCH,
    "observer": COMMON | {"DOCUMENT_BUCKET"},
    "workflow": COMMON | DISPATCH | {"DOCUMENT_BUCKET"},
    "notifier": COMMON | {"LISTING_SHARDS", "MAIL_FROM", "WEBHOOK_REACH", "WEBHOOK_SECRETS"},
}
# part: (handler, timeout in seconds or None for the configuration's, memory or None)
SHAPES = {
    "api": ("functions.api.handler.handler", 29, 512),
    "worker-high": ("functions.worker.handler.handler", None, None),
    "worker-normal": ("functions.worker.handler.handler", None, None),
    "worker-low": ("functions.worker.handler.handler", None, None),
    "dead-letter": ("functions.dead_letter.handler.handler", 30, 256),
    "observer": ("functions.observer.handler.handler", 30, 256),
    "producer": ("functions.producer.handler.handler", 30, 512),
    "firing": ("functions.producer.handler.handler", 30, 512),
    "workflow": ("functions.workflow.handler.handler", 900, 1024),
    "notifier": ("functions.notifier.handler.handler", 30, 256),
}


def test_there_are_these_functions_and_no_others(template: Template) -> None:
    assert set(template.functions()) == set(PARTS)
    assert len(template.of_type("AWS::Lambda::Function")) == len(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_function_has_its_shape(template: Template, part: str) -> None:
    function = template.function(part)
    config = CONFIGS[template.environment]
    handler, timeout, memory = SHAPES[part]
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["Handler"] == handler
    assert function["Timeout"] == (timeout or config.worker_timeout_seconds)
    assert function["MemorySize"] == (memory or config.worker_memory)
    assert len(function["Layers"]) == 1
    assert "ReservedConcurrentExecutions" not in function


def test_all_functions_run_one_code_asset_and_one_layer(template: Template) -> None:
    functions = template.of_type("AWS::Lambda::Function").values()
    assert len({function["Code"]["S3Key"] for function in functions}) == 1
    assert len(template.of_type("AWS::Lambda::LayerVersion")) == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_function_gets_the_variables_that_it_uses(template: Template, part: str) -> None:
    assert set(template.variables(part)) == VARIABLES[part]


@pytest.mark.parametrize("part", [part for part in PARTS if "LANES" in VARIABLES[part]])
def test_lanes_are_json_with_the_names_of_two_queues_for_each(template: Template, part: str) -> None:
    lanes = json.loads(template.variables(part)["LANES"])
    assert set(lanes) == {"url", "arn", "queues"}
    assert list(lanes["queues"]) == ["high", "normal", "low"]
    assert len({str(name) for names in lanes["queues"].values() for name in names}) == 6


def test_wake_ups_may_go_round(template: Template) -> None:
    allowed = {part for part in PARTS if template.function(part).get("RecursiveLoop") == "Allow"}
    assert allowed == {"worker-high", "worker-normal", "worker-low", "dead-letter", "producer", "firing"}


def test_every_function_has_its_own_log_group_and_role(template: Template) -> None:
    functions = template.of_type("AWS::Lambda::Function").values()
    groups = {target(function["LoggingConfig"]["LogGroup"]) for function in functions}
    assert len(groups) == len({target(function["Role"]) for function in functions}) == len(PARTS)
    days = CONFIGS[template.environment].log_retention_days
    assert {group["RetentionInDays"] for group in template.of_type("AWS::Logs::LogGroup").values()} == {days}


def test_the_variables_of_all_functions_are_those_that_are_described(template: Template) -> None:
    # QUOTAS is only where the configuration has quotas.
    assert {name for part in PARTS for name in template.variables(part)} == set(DESCRIPTIONS) - {"QUOTAS"}


def test_a_function_with_a_variable_that_is_not_described_is_refused() -> None:
    use_bundled_node()
    import aws_cdk as cdk

    from infra.functions.function import Function

    scope = cdk.Stack(cdk.App(), "Stack")
    package = SimpleNamespace(config=CONFIGS["dev"])
    with pytest.raises(ValueError, match="NOT_DESCRIBED"):
        Function(
            scope,
            "Function",
            package=package,  # type: ignore[arg-type]
            service="api",
            timeout_seconds=1,
            memory=128,
            environment={"NOT_DESCRIBED": ""},
            statements=(),
        )
