"""The one variable of a function that is not the template's own."""

from __future__ import annotations

import pytest

from local.functions.function import local_environment


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"WEBHOOK_REACH": "any"}, {"WEBHOOK_REACH": "local"}),
        ({"WEBHOOK_REACH": "public"}, {}),
        ({}, {}),
    ],
)
def test_only_what_may_call_private_networks_may_call_the_loopback_locally(
    given: dict[str, str], changed: dict[str, str]
) -> None:
    assert local_environment(given) == changed
