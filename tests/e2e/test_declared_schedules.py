"""Schedules that an app declares, on the local system: made at its start, fired, changed, removed with the template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from local.template import cloud_assembly
from local.template.cloud_assembly import CloudAssembly
from local.template.intrinsics import TemplateError
from tests.declared import synthesize_declared

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("declared"), pytest.mark.usefixtures("no_system")]


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> CloudAssembly:
    out = tmp_path_factory.mktemp("declared")
    synthesize_declared(out)
    return cloud_assembly.load(out, "Taskyard-declared")


@pytest.fixture
def system(no_system: None, assembly: CloudAssembly) -> Iterator[LocalSystem]:
    with LocalSystem.start(assembly=assembly) as running:
        yield running


def schedules(system: LocalSystem) -> dict[str, Any]:
    answer = httpx.get(f"{system.url}/schedules", headers={"authorization": f"Bearer {system.token()}"})
    return {each["name"]: each for each in answer.json()["schedules"]}


def changed(assembly: CloudAssembly, change: Callable[[dict[str, Any]], None]) -> CloudAssembly:
    """`change` gets the resources of the template."""
    template = json.loads(json.dumps(assembly.template))
    change(template["Resources"])
    return replace(assembly, template=template)


def logical_id(resources: Mapping[str, Any], name: str) -> str:
    return next(
        id
        for id, each in resources.items()
        if each["Type"] == "Custom::TaskyardSchedule" and each["Properties"]["Name"] == name
    )


def test_declared_schedules_exist_after_the_start_and_fire(system: LocalSystem) -> None:
    found = schedules(system)
    assert {name: each["declaredAs"] for name, each in found.items()} == {
        "nightly": "Taskyard-declared/nightly",
        "steps": "Taskyard-declared/steps",
    }
    system.clock.advance(3700)
    assert system.settle()
    assert schedules(system)["steps"]["lastWorkflowId"] is not None


def test_changed_template_changes_adds_and_removes_schedules(system: LocalSystem, assembly: CloudAssembly) -> None:
    before = schedules(system)

    def change(resources: dict[str, Any]) -> None:
        del resources[logical_id(resources, "steps")]
        nightly = resources[logical_id(resources, "nightly")]["Properties"]
        definition = json.loads(nightly["Definition"])
        added = {**nightly, "Name": "added", "Definition": json.dumps({**definition, "name": "added"})}
        resources["Added"] = {"Type": "Custom::TaskyardSchedule", "Properties": added}
        nightly["Definition"] = json.dumps({**definition, "cron": "0 3 * * *"})

    assert system.update(changed(assembly, change)) == []
    after = schedules(system)
    assert after.keys() == {"nightly", "added"}
    assert after["nightly"]["id"] == before["nightly"]["id"]
    assert {name: each["cron"] for name, each in after.items()} == {"nightly": "0 3 * * *", "added": "0 2 * * *"}


def test_reset_declares_the_schedules_again(system: LocalSystem) -> None:
    before = schedules(system)
    system.reset()
    assert {name: each["id"] for name, each in schedules(system).items()} == {
        name: each["id"] for name, each in before.items()
    }


def test_invalid_definition_ends_the_start_with_its_field(assembly: CloudAssembly) -> None:
    def change(resources: dict[str, Any]) -> None:
        resources[logical_id(resources, "nightly")]["Properties"]["Definition"] = '{"cron": "61 * * * *"}'

    with pytest.raises(TemplateError, match="cron: minute: 61 is not from 0 to 59"):
        LocalSystem.start(assembly=changed(assembly, change))
