"""`make bill`: what each environment costs a month while it is idle, counted from its template.

python -m tests.bench.idle     prints the section that docs/operations.md holds; a test keeps the two the same
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import CONFIGS, build, stack_name
from infra.synthesis import synthesize
from tests.bench.prices import DATED, Prices, Standing

FREE = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::CloudWatch::Alarm",
        # A pool is paid for by the users who log in; of its clients, those of services are counted below.
        "AWS::Cognito::ManagedLoginBranding",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::Cognito::UserPoolResourceServer",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::ScheduleGroup",
        "AWS::StepFunctions::StateMachine",
    }
)
"""Cost nothing by being there: what they do, and what they hold, is paid for."""


class UnknownCostError(Exception):
    """A type of resource of which this module does not know what it costs."""

    def __init__(self, kinds: set[str]) -> None:
        self.kinds = kinds
        super().__init__(f"does it cost anything by being there? {', '.join(sorted(kinds))}")


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of the bill. `dollars`: a month, for all of `count`."""

    what: str
    count: int
    dollars: float


def items(template: Mapping[str, Any], standing: Standing | None = None) -> list[Item]:
    """The dearest first. Raises UnknownCostError."""
    price = standing or Standing()
    resources = template["Resources"].values()
    of_type: dict[str, list[Mapping[str, Any]]] = {}
    for resource in resources:
        of_type.setdefault(resource["Type"], []).append(resource.get("Properties", {}))
    polls = price.polls * Prices().sqs_request / 1e6
    queues = {name for name, it in template["Resources"].items() if it["Type"] == "AWS::SQS::Queue"}
    sources = of_type.get("AWS::Lambda::EventSourceMapping", [])
    # Lambda's own reads of a table's stream are free.
    polled = sum(it["EventSourceArn"].get("Fn::GetAtt", [""])[0] in queues for it in sources)
    metrics = sum(alarm_metrics(it) for it in of_type.get("AWS::CloudWatch::Alarm", []))
    counted = {
        "AWS::CloudWatch::Dashboard": ("dashboard", price.dashboard),
        "AWS::KMS::Key": ("KMS key", price.customer_key),
        "AWS::SecretsManager::Secret": ("secret that signs webhooks", price.secret),
    }
    if unknown := set(of_type) - FREE - set(counted) - {"AWS::Lambda::EventSourceMapping"}:
        raise UnknownCostError(unknown)
    found = [
        Item(what="alarms", count=metrics, dollars=metrics * price.alarm_metric),
        Item(what="queues that Lambda polls", count=polled, dollars=polled * polls),
    ]
    clients = sum(
        "client_credentials" in it.get("AllowedOAuthFlows", [])
        for it in of_type.get("AWS::Cognito::UserPoolClient", [])
    )
    found.append(Item(what="clients of services", count=clients, dollars=clients * price.service_client))
    for kind, (what, each) in counted.items():
        count = len(of_type.get(kind, []))
        found.append(Item(what=what, count=count, dollars=count * each))
    return sorted((it for it in found if it.count), key=lambda it: -it.dollars)


def alarm_metrics(alarm: Mapping[str, Any]) -> int:
    """How many metrics an alarm is billed for: of metric math, each that it reads."""
    return sum("MetricStat" in it for it in alarm["Metrics"]) if "Metrics" in alarm else 1


def total(template: Mapping[str, Any]) -> float:
    """Dollars a month."""
    return sum(it.dollars for it in items(template))


def section(templates: Mapping[str, Mapping[str, Any]]) -> str:
    """`templates`: by environment."""
    price = Standing()
    bills = {name: {it.what: it for it in items(template)} for name, template in templates.items()}
    kinds = list(dict.fromkeys(what for bill in bills.values() for what in bill))
    lines = [
        f"| a month, {DATED}, us-east-1 | {' | '.join(bills)} |",
        f"|---|{'---|' * len(bills)}",
        *(f"| {what} | {' | '.join(cell(bill.get(what)) for bill in bills.values())} |" for what in kinds),
        f"| **all** | {' | '.join(f'**${total(template):.2f}**' for template in templates.values())} |",
        "",
        f"And for what is kept, per GB: table ${price.table_gb:.2f}, its recovery ${price.backup_gb:.2f}, "
        f"documents ${price.bucket_gb:.3f}, logs ${price.log_gb:.2f}.",
    ]
    return "\n".join(lines)


def cell(item: Item | None) -> str:
    return f"{item.count}: ${item.dollars:.2f}" if item else ""


def main() -> int:
    paths = {name: synthesize(build, name, Path("cdk.out"), stack=stack_name(name)) for name in CONFIGS}
    print(section({name: json.loads(path.read_text()) for name, path in paths.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
