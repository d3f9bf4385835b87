"""Quotas of a configuration: what is refused, and that functions read what infra writes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from app import CONFIGS
from functions.core.quotas import QUOTA_NAMES, QuotaRules, SubmitQuota
from functions.core.quotas import Quotas as QuotasOfFunctions
from infra import quotas as of_infra
from infra.config import config_faults
from infra.functions.shared_resources import quotas_environment
from infra.quotas import Quotas, TenantQuotas

DEFAULT = Quotas(submits_per_second=50, burst=200, open_tasks=10_000, payload_bytes=65_536, schedules=20)


def test_names_of_quotas_are_the_same_in_functions_and_infra() -> None:
    assert list(of_infra.QUOTA_NAMES.values()) == list(QUOTA_NAMES)
    assert list(of_infra.QUOTA_NAMES) == [field.name for field in fields(Quotas)]


def test_quotas_of_the_configuration_are_what_functions_read() -> None:
    tenants = {"111122223333": replace(DEFAULT, open_tasks=50_000, workflow_nodes=100), "222233334444": Quotas()}
    config = replace(CONFIGS["dev"], quotas=TenantQuotas(default=DEFAULT, tenants=tenants))
    rules = QuotaRules.from_json(quotas_environment(config)["QUOTAS"])
    submit = SubmitQuota(rate=50, burst=200, open_tasks=10_000)
    assert rules.default == QuotasOfFunctions(submit=submit, payload_bytes=65_536, schedules=20)
    assert rules.of_tenant("111122223333") == replace(
        rules.default, submit=replace(submit, open_tasks=50_000), workflow_nodes=100
    )
    assert rules.of_tenant("222233334444") == QuotasOfFunctions()


@pytest.mark.parametrize("environment", CONFIGS)
def test_without_quotas_functions_have_no_variable(environment: str) -> None:
    assert quotas_environment(CONFIGS[environment]) == {}


@pytest.mark.parametrize(
    ("quotas", "fault"),
    [
        (replace(DEFAULT, burst=None), "submits_per_second and burst go together"),
        (Quotas(burst=5), "submits_per_second and burst go together"),
        (replace(DEFAULT, schedules=0), "schedules is 0"),
        (replace(DEFAULT, submits_per_second=-1), "submits_per_second is -1"),
        (Quotas(open_tasks=5), "open_tasks needs submits_per_second"),
        (replace(DEFAULT, workflow_nodes=201), "workflow_nodes is 201"),
    ],
)
@pytest.mark.parametrize("of_tenant", [False, True])
def test_a_wrong_quota_is_refused_with_where_it_is(quotas: Quotas, fault: str, of_tenant: bool) -> None:
    given = TenantQuotas(default=DEFAULT, tenants={"t": quotas}) if of_tenant else TenantQuotas(default=quotas)
    (found,) = config_faults(replace(CONFIGS["dev"], quotas=given))
    assert fault in found
    assert found.startswith("quotas.tenants['t']" if of_tenant else "quotas.default")


def test_more_quotas_than_the_variables_hold_are_refused() -> None:
    many = TenantQuotas(default=DEFAULT, tenants={f"{at:012d}": DEFAULT for at in range(30)})
    (found,) = config_faults(replace(CONFIGS["dev"], quotas=many))
    assert "AUTH and QUOTAS" in found
