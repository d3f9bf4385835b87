"""The notification machine: tried for a day, and what its states ask of the function; the secret; who may start it."""

from __future__ import annotations

import dataclasses
import json
import string
from typing import Any

import pytest

from app import CONFIGS
from functions.notifier.delivery import RETRY_WINDOW_MS, retry_pause_seconds
from tests.infra.template import Template, as_list
from tests.integration.notifications import MOST_RETRIES

TELLING = ("api", "worker-high", "worker-normal", "worker-low", "dead-letter", "workflow")

CALLING = ("notifier", "worker-high", "worker-normal", "worker-low")


@pytest.fixture
def machine(template: Template) -> dict[str, Any]:
    machines = template.of_type("AWS::StepFunctions::StateMachine").values()
    (found,) = [it for it in machines if it["StateMachineName"].endswith("-notifications")]
    return found


@pytest.fixture
def states(template: Template, machine: dict[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(template.resolve(machine["DefinitionString"]))
    assert definition["StartAt"] == "Deliver"
    found: dict[str, Any] = definition["States"]
    return found


def pauses(rule: dict[str, Any]) -> list[float]:
    seconds = [rule["IntervalSeconds"] * rule["BackoffRate"] ** at for at in range(rule["MaxAttempts"])]
    return [min(second, rule["MaxDelaySeconds"]) for second in seconds]


def test_it_tries_for_a_day_by_itself(states: dict[str, Any]) -> None:
    *_, rule = states["Deliver"]["Retry"]
    assert rule["ErrorEquals"] == ["States.ALL"]
    assert "JitterStrategy" not in rule, "FULL would halve the sum"
    assert 24 * 3600 < sum(pauses(rule)) < 25 * 3600
    assert sum(pauses(rule)) * 1000 > RETRY_WINDOW_MS, "the function has the last word"


def test_the_function_knows_the_machines_pauses(states: dict[str, Any]) -> None:
    *_, rule = states["Deliver"]["Retry"]
    assert [retry_pause_seconds(attempts) for attempts in range(1, MOST_RETRIES + 1)] == pauses(rule)


def test_it_is_standard_and_first_delivered_it_is_one_state(machine: dict[str, Any], states: dict[str, Any]) -> None:
    assert machine["StateMachineType"] == "STANDARD", "Express ends after five minutes"
    assert states["Deliver"]["End"] is True


def test_a_wait_that_is_asked_for_is_not_a_retry(states: dict[str, Any]) -> None:
    first = states["Deliver"]["Retry"][0]
    assert first == {"ErrorEquals": ["AskedToWaitError"], "MaxAttempts": 0}
    caught = states["Deliver"]["Catch"]
    assert [(rule["ErrorEquals"], rule["Next"]) for rule in caught] == [
        (["AskedToWaitError"], "ReadTime"),
        (["States.ALL"], "GiveUp"),
    ]
    assert states["ReadTime"]["Next"] == "WaitAsAsked"
    assert states["WaitAsAsked"]["Next"] == "Deliver"


def test_its_function_understands_its_events(states: dict[str, Any]) -> None:
    steps = {name: states[name]["Parameters"]["Payload"] for name in ("Deliver", "GiveUp")}
    assert set(steps["Deliver"]) == {"step", "notification.$", "startedAt.$"}
    assert set(steps["GiveUp"]) == {"step", "notification.$", "error.$"}
    assert [step["step"] for step in steps.values()] == ["deliver", "give-up"]


@pytest.mark.parametrize("part", TELLING)
def test_whoever_runs_consequences_may_start_it(template: Template, machine: dict[str, Any], part: str) -> None:
    arn = template.variables(part)["NOTIFY_MACHINE_ARN"]
    assert arn.endswith(f":stateMachine:{machine['StateMachineName']}")
    allowed = [
        template.resolve(resource)
        for statement in template.statements(part)
        if "states:StartExecution" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    assert arn in allowed


@pytest.mark.parametrize("part", CALLING)
def test_the_default_secret_is_where_the_function_looks(template: Template, part: str) -> None:
    (secret,) = template.of_type("AWS::SecretsManager::Secret").values()
    path = template.variables(part)["WEBHOOK_SECRETS"]
    (statement,) = [it for it in template.statements(part) if it.get("Sid") == "WebhookSecrets"]
    assert template.resolve(statement["Resource"]).endswith(f":secret:{path}/*")
    assert template.resolve(secret["Name"]) == f"{path}/ref-AWS::AccountId/default"
    generated = secret["GenerateSecretString"]
    assert generated["ExcludeCharacters"] == string.punctuation, "what is left is base64"
    assert generated["PasswordLength"] % 4 == 0


def test_outside_development_only_the_public_internet_is_called(template: Template) -> None:
    reach = CONFIGS[template.environment].webhook_reach
    assert {template.variables(part)["WEBHOOK_REACH"] for part in (*CALLING, "api", "producer")} == {reach}
    assert reach == ("any" if template.environment == "dev" else "public"), "never local: that is the local system's"


def test_the_loopback_is_in_the_reach_of_nothing_that_is_deployed() -> None:
    with pytest.raises(ValueError, match="webhook_reach"):
        dataclasses.replace(CONFIGS["dev"], webhook_reach="local")  # type: ignore[arg-type]


def watching(template: Template, metric: str) -> list[dict[str, Any]]:
    alarms = template.of_type("AWS::CloudWatch::Alarm").values()
    return [alarm for alarm in alarms if alarm["MetricName"] == metric]


def test_undeliverable_and_broken_alarm(template: Template) -> None:
    (undeliverable,) = watching(template, "NotificationUndeliverable")
    (broken,) = (alarm for alarm in watching(template, "ExecutionsFailed") if "'Notifier" in str(alarm["Dimensions"]))
    assert undeliverable["Threshold"] == broken["Threshold"] == 1
