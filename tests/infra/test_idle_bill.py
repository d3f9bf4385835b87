"""What stands there costs money: counted from the template, and said in the README and in docs/operations.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.build.locations import ROOT
from tests.bench.idle import UnknownCostError, items, section, total
from tests.bench.prices import Standing
from tests.infra.conftest import Synthesis
from tests.infra.template import Template

CLIENT = "AWS::Cognito::UserPoolClient"
ALARM = "AWS::CloudWatch::Alarm"
FREE_DASHBOARD_METRICS = 50
MAPPING = "AWS::Lambda::EventSourceMapping"


@pytest.fixture
def templates(syntheses: Mapping[str, Synthesis]) -> dict[str, Any]:
    return {name: json.loads(done.template.read_text()) for name, done in syntheses.items()}


def test_the_operations_page_has_the_bill(templates: Mapping[str, Any]) -> None:
    assert section(templates) in (ROOT / "docs" / "operations.md").read_text(), "make bill prints it anew"


def test_the_readme_has_the_sum(templates: Mapping[str, Any]) -> None:
    page = (ROOT / "README.md").read_text()
    assert all(f"${total(template):.2f} a month" in page for template in templates.values())


def test_every_standing_resource_is_counted(template: Template) -> None:
    counted = {item.what: item.count for item in items(template.body)}
    assert counted == {
        "alarms": len(template.of_type(ALARM)),
        "dashboard": 1,
        "KMS key": len(template.of_type("AWS::KMS::Key")),
        "secret that signs webhooks": len(template.of_type("AWS::SecretsManager::Secret")),
        "queues that Lambda polls": len(template.of_type(MAPPING)) - len(template.sources("observer")),
    }


def test_the_dashboard_shows_too_many_metrics_to_be_free(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()
    shown = set()
    for widget in json.loads(template.resolve(dashboard["DashboardBody"]))["widgets"]:
        for metric in widget["properties"]["metrics"]:
            shown.add(tuple(part for part in metric if isinstance(part, str)))
    assert len(shown) > FREE_DASHBOARD_METRICS


@pytest.mark.parametrize(
    ("resources", "dollars"),
    [
        ({}, 0.0),
        ({"A": {"Type": ALARM, "Properties": {"MetricName": "Errors"}}}, 0.10),
        ({"A": {"Type": ALARM, "Properties": {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {}]}}}, 0.20),
        ({"Q": {"Type": "AWS::SQS::Queue"}}, 0.0),
        ({"C": {"Type": CLIENT, "Properties": {"AllowedOAuthFlows": ["code"]}}}, 0.0),
        ({"C": {"Type": CLIENT, "Properties": {"AllowedOAuthFlows": ["client_credentials"]}}}, 6.00),
        (
            {
                "Q": {"Type": "AWS::SQS::Queue"},
                "S": {"Type": MAPPING, "Properties": {"EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}}},
            },
            5 * 3 * 60 * 730 * 0.40 / 1e6,
        ),
        (
            {
                "T": {"Type": "AWS::DynamoDB::Table"},
                "S": {"Type": MAPPING, "Properties": {"EventSourceArn": {"Fn::GetAtt": ["T", "StreamArn"]}}},
            },
            0.0,
        ),
    ],
)
def test_a_resource_costs_what_it_costs_by_being_there(resources: dict[str, Any], dollars: float) -> None:
    assert total({"Resources": resources}) == pytest.approx(dollars)


def test_a_resource_of_unknown_cost_is_refused() -> None:
    with pytest.raises(UnknownCostError, match="AWS::EC2::NatGateway"):
        items({"Resources": {"N": {"Type": "AWS::EC2::NatGateway"}}})


def test_prices_decide() -> None:
    template = {"Resources": {"K": {"Type": "AWS::KMS::Key"}}}
    assert [it.dollars for it in items(template, Standing(customer_key=7.0))] == [7.0]
