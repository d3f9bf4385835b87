"""Least privilege, both ways: every grant of every role is used, and without it something fails.

`make grants` removes each grant in turn and names the scenario that fails without it; here a few are removed.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from app import CONFIGS
from local.system import LocalSystem
from local.template import cloud_assembly
from local.template.stack import Stack
from tests.grants.grants import Grant, grants_of, role_labels
from tests.grants.removal import Removal, play_all, remove_each, unused_grants
from tests.grants.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("grants")]


class Played:
    """The scenarios, run once with every grant."""

    def __init__(self, system: LocalSystem) -> None:
        self.scene = Scene.of(system)
        self.seconds = play_all(self.scene)


@pytest.fixture(scope="module")
def played(grants_system: LocalSystem) -> Played:
    return Played(grants_system)


def test_scenarios_with_every_grant_use_every_grant(played: Played) -> None:
    assert [str(grant) for grant in unused_grants(played.scene)] == []


def test_removal_of_one_grant_of_each_role_fails_a_scenario(played: Played) -> None:
    """The grant with the fastest scenario."""
    use, seconds = played.scene.use, played.seconds
    samples = [
        min(grants, key=lambda grant: min((seconds[name], str(grant)) for name in use.scenarios[grant]))
        for grants in (
            [grant for grant in grants if "logs:" not in grant.action and use.scenarios[grant] & seconds.keys()]
            for grants in use.grants.values()
        )
    ]
    removals = list(remove_each(played.scene, samples, seconds))
    assert {removal.grant.role for removal in removals} == use.roles.keys()
    assert [str(removal) for removal in removals if removal.error is None] == []


def test_grant_that_no_scenario_uses_is_named(played: Played) -> None:
    unneeded = Grant("api", "sqs:PurgeQueue", "arn:aws:sqs:us-east-1:123456789012:any")
    played.scene.use.grants["api"].append(unneeded)
    try:
        assert unused_grants(played.scene) == [unneeded]
        assert list(remove_each(played.scene, [unneeded], played.seconds)) == [Removal(unneeded, None, None)]
    finally:
        played.scene.use.grants["api"].remove(unneeded)


def test_grant_that_another_one_covers_is_named(played: Played) -> None:
    """Each of the two can be removed, so neither is least privilege."""
    scene = played.scene
    role = scene.use.roles["firing"]
    wide = Grant("firing", "dynamodb:*", "*")
    before, role.statements = role.statements, [*role.statements, wide.statement]
    try:
        (narrow,) = [each for each in scene.use.grants["firing"] if each.action == "dynamodb:BatchGetItem"]
        (removal,) = remove_each(scene, [narrow], played.seconds)
        assert (removal.scenario is not None, removal.error) == (True, None)
    finally:
        role.statements = before


@pytest.mark.parametrize("environment", sorted(set(CONFIGS) - {"dev"}))
def test_roles_of_other_environments_have_the_grants_of_dev(environment: str) -> None:
    """So what holds for dev holds for them. Keys of KMS: tests/infra. Senders of mail: as configured."""
    assert generic_grants(environment) == generic_grants("dev")


def generic_grants(environment: str) -> set[tuple[Any, ...]]:
    cloud_assembly.synthesize(environment)
    cloud = cloud_assembly.load(cloud_assembly.PROJECT / "cdk.out", f"Taskyard-{environment}")
    stack = Stack(cloud, "http://aws", {}, "http://issuer")
    grants = [grant for label, role in role_labels(stack).items() for grant in grants_of(label, role)]
    return {
        (
            grant.role,
            grant.action,
            re.sub(rf"\b{environment}\b", "ENVIRONMENT", grant.resource),
            tuple((operator, key) for operator, key, _ in grant.condition),
        )
        for grant in grants
        if not grant.action.startswith("kms:")
    }
