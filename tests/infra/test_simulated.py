"""What tests/simulation/ runs is what is deployed: functions, queues, retries, the run machine."""

from __future__ import annotations

from infra.functions import run_machine
from tests.infra.template import Template
from tests.infra.test_workflow import definition
from tests.simulation import deployment, events, stream


def test_its_functions(dev: Template) -> None:
    parts = deployment.MODULES.keys() - {f"worker-{deployment.POOL}"}
    deployed = {part: dev.function(part) for part in parts}
    assert {part: each["Handler"] for part, each in deployed.items()} == {
        part: f"{deployment.MODULES[part]}.handler" for part in parts
    }
    assert {part: each["Timeout"] for part, each in deployed.items()} == {
        part: deployment.TIMEOUTS[part] for part in parts
    }


def test_its_queues(dev: Template) -> None:
    for name in deployment.LANES:
        queue, dead_letters = dev.lane(name)
        assert queue["VisibilityTimeout"] == deployment.CONFIG.visibility_seconds
        assert queue["RedrivePolicy"]["maxReceiveCount"] == deployment.MAX_RECEIVES
        assert dead_letters["VisibilityTimeout"] == deployment.DEAD_LETTER_VISIBILITY_SECONDS
    (source,) = dev.sources("firing")
    failures = dev.properties(source["EventSourceArn"])
    assert (source["BatchSize"], failures["VisibilityTimeout"]) == (1, deployment.PRODUCER_PAUSE_SECONDS)


def test_its_retries(dev: Template) -> None:
    retries = {each["MaximumRetryAttempts"] for each in dev.of_type("AWS::Lambda::EventInvokeConfig").values()}
    assert retries == {len(events.PAUSES)}
    (source,) = dev.sources("observer")
    assert source["MaximumRetryAttempts"] == stream.RETRIES


def test_its_run_machine(dev: Template) -> None:
    machine = definition(dev)
    assert machine == run_machine.definition(
        machine["States"]["Start"]["Parameters"]["FunctionName"], partition="ref-AWS::Partition"
    )
