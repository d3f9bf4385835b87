"""The construct in an app of one's own: pools, names, grants, policies, limits."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.build.locations import ROOT
from infra.config import Config, Props
from infra.max_running import concurrencies
from tests.infra.template import Template, target
from tests.infra.user_apps import STACKS, synthesize_user_apps

STATEFUL_TYPES = frozenset(
    {
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolDomain",
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)
STATEFUL_IDS = Path(__file__).with_name("stateful_logical_ids.json")
PHYSICAL_NAMES = {
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::Cognito::UserPoolDomain": "Domain",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory, offline: Mapping[str, str], assets: object) -> dict[str, Template]:
    return synthesize_user_apps(tmp_path_factory.mktemp("user"), offline)


@pytest.fixture
def shop(apps: Mapping[str, Template]) -> Template:
    return apps["Shop"]


@pytest.fixture
def twins(apps: Mapping[str, Template]) -> Template:
    return apps["Twins"]


@pytest.fixture
def many(apps: Mapping[str, Template]) -> Template:
    return apps["Taskyard-prod"]


def test_cfn_lint_finds_nothing_in_the_stacks_of_a_user(apps: Mapping[str, Template], offline: dict[str, str]) -> None:
    templates = [str(apps[name].out / f"{name}.template.json") for name in STACKS]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    ran = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_props_are_the_fields_of_the_configuration() -> None:
    own = {field.name for field in dataclasses.fields(Config)} - {"environment", "name"}
    assert set(typing.get_type_hints(Props, localns=_cdk_types())) == own


def _cdk_types() -> dict[str, Any]:
    from infra.node import use_bundled_node

    use_bundled_node()
    from aws_cdk import aws_iam, aws_kms, aws_sns

    return {"aws_iam": aws_iam, "aws_kms": aws_kms, "aws_sns": aws_sns}


def test_stateful_resources_keep_their_logical_ids(prod: Template) -> None:
    """Another id is another, empty table. Ids are added to the file, never changed."""
    found = {name: it["Type"] for name, it in prod.body["Resources"].items() if it["Type"] in STATEFUL_TYPES}
    assert found == json.loads(STATEFUL_IDS.read_text())


def test_names_of_two_in_one_stack_are_distinct(twins: Template) -> None:
    for kind, key in PHYSICAL_NAMES.items():
        names = [json.dumps(it[key]) for it in twins.of_type(kind).values() if key in it]
        assert names, kind
        assert [name for name, count in Counter(names).items() if count > 1] == [], kind


def test_outputs_of_two_in_one_stack_begin_with_their_ids(twins: Template) -> None:
    names = {"ApiUrl", "IamApiUrl", "Issuer", "ProducerFunction", "TableName", "DashboardName", "UserPoolId"}
    assert {f"{id}{name}" for id in ("First", "Second") for name in names} <= set(twins.body["Outputs"])


def lanes_of(template: Template, part: str) -> dict[str, list[str]]:
    return json.loads(template.variables(part)["LANES"])["queues"]  # type: ignore[no-any-return]


def test_lanes_of_all_pools_are_known_to_every_function(shop: Template) -> None:
    wanted = ["high", "normal", "low", "images-high", "images-normal", "images-low", "reports", "partner"]
    parts = [part for part in shop.functions() if "LANES" in shop.variables(part)]
    assert {"api", "producer", "workflow", "dead-letter", "worker-high", "worker-partner"} <= set(parts)
    for part in parts:
        assert list(lanes_of(shop, part)) == wanted


@pytest.mark.parametrize(("part", "sid"), [("api", "Wake"), ("api", "Depth"), ("dead-letter", "ConsumeDeadLetters")])
def test_roles_may_use_the_queues_of_all_pools(shop: Template, part: str, sid: str) -> None:
    (statement,) = [it for it in shop.statements(part) if it["Sid"] == sid]
    assert len(statement["Resource"]) == 8


def test_dead_letters_of_a_pool_are_consumed(shop: Template) -> None:
    assert len(shop.sources("dead-letter")) == 8


def test_lanes_of_a_pool_share_a_role_that_has_its_grants(shop: Template) -> None:
    roles = {target(shop.function(f"worker-images-{band}")["Role"]) for band in ("high", "normal", "low")}
    assert len(roles) == 1
    policies = [it for it in shop.of_type("AWS::IAM::Policy").values() if {target(r) for r in it["Roles"]} == roles]
    assert [policy for policy in policies if "s3:GetObject*" in json.dumps(policy)]


def test_lanes_of_the_default_pool_have_the_grants_of_the_app(shop: Template) -> None:
    roles = {target(shop.function(f"worker-{band}")["Role"]) for band in ("high", "normal", "low")}
    [policy] = [it for it in shop.of_type("AWS::IAM::Policy").values() if {target(r) for r in it["Roles"]} == roles]
    assert "s3:GetBucketLocation" in json.dumps(policy)


def test_worker_of_a_pool_has_its_shape(shop: Template) -> None:
    worker = shop.function("worker-images-high")
    assert (worker["Timeout"], worker["MemorySize"], worker["EphemeralStorage"]) == (600, 3008, {"Size": 2048})
    assert shop.variables("worker-images-high")["WORKER_TIMEOUT_SECONDS"] == "600"
    assert "BUCKET" in shop.variables("worker-images-high")
    queue, _ = shop.lane("images-high")
    assert queue["VisibilityTimeout"] == 610


def test_pool_of_one_task_at_once_reserves_its_function(shop: Template) -> None:
    (source,) = shop.sources("worker-partner")
    assert shop.function("worker-partner")["ReservedConcurrentExecutions"] == 1
    assert (source["BatchSize"], "ScalingConfig" in source) == (1, False)


def test_max_running_of_a_pool_is_divided_among_its_lanes(shop: Template) -> None:
    sources = [shop.sources(f"worker-images-{band}")[0] for band in ("high", "normal", "low")]
    assert [it["BatchSize"] * it["ScalingConfig"]["MaximumConcurrency"] for it in sources] == [7, 7, 6]


def test_pool_in_a_vpc_may_make_its_network_interfaces(shop: Template) -> None:
    worker = shop.function("worker-reports")
    assert len(worker["VpcConfig"]["SubnetIds"]) == 2
    assert [it for it in shop.statements("worker-reports") if it["Sid"] == "Vpc"]
    assert len(shop.of_type("AWS::EC2::VPCEndpoint")) == 7


def test_alarms_of_a_pool_go_to_the_topic_of_the_app(shop: Template) -> None:
    assert shop.of_type("AWS::SNS::Topic") == {}
    alarms = shop.of_type("AWS::CloudWatch::Alarm").values()
    assert {json.dumps(alarm["AlarmActions"]) for alarm in alarms} == {json.dumps([{"Fn::ImportValue": "Alarms"}])}
    assert [alarm for alarm in alarms if "worker-partner" in alarm["AlarmDescription"]]


def test_dashboard_is_left_out_on_request(shop: Template, many: Template) -> None:
    assert shop.of_type("AWS::CloudWatch::Dashboard") == {}
    assert "DashboardName" not in str(shop.body["Outputs"])
    (dashboard,) = many.of_type("AWS::CloudWatch::Dashboard").values()
    assert "Pool pool-12: queue depth" in many.resolve(dashboard["DashboardBody"])


def test_roles_of_taskyard_have_the_boundary_and_others_have_not(shop: Template) -> None:
    roles = shop.of_type("AWS::IAM::Role")
    without = [name for name, role in roles.items() if "PermissionsBoundary" not in role]
    assert [name for name in without if not name.startswith("Web")] == []


def test_tags_are_on_table_and_functions(shop: Template) -> None:
    (table,) = shop.of_type("AWS::DynamoDB::Table").values()
    tagged = [table, shop.function("api"), shop.function("worker-partner")]
    assert all({"Key": "team", "Value": "orders"} in it["Tags"] for it in tagged)


def test_stack_refuses_another_account_and_region(shop: Template) -> None:
    rules = [rule["Assertions"][0]["Assert"] for rule in shop.body["Rules"].values()]
    asserted = [rule["Fn::Equals"] for rule in rules if "Fn::Equals" in rule]
    assert [{"Ref": "AWS::AccountId"}, "111122223333"] in asserted
    assert [{"Ref": "AWS::Region"}, "eu-central-1"] in asserted


def test_own_key_encrypts_all_and_no_other_is_made(shop: Template) -> None:
    (key,) = shop.of_type("AWS::KMS::Key")
    assert {target(it["KmsMasterKeyId"]) for it in shop.of_type("AWS::SQS::Queue").values()} == {key}


def test_submitter_may_call_the_routes_of_submits_and_the_producer(shop: Template) -> None:
    (policy,) = [it for it in shop.of_type("AWS::IAM::Policy").values() if "execute-api:Invoke" in str(it)]
    text = json.dumps(policy)
    assert all(route in text for route in ('POST/tasks"', "POST/tasks/batch", "POST/workflows"))
    assert "Producer" in text


PSEUDO_PARAMETERS = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-southeast-2",
    "AWS::URLSuffix": "amazonaws.com",
}


def deployed(template: Template, value: Any) -> Any:
    """A value of the template with names as CloudFormation gives them: the stack's, the logical id, 12 characters."""

    def name(id: str) -> str:
        properties = template.body["Resources"][id].get("Properties", {})
        own = properties.get("QueueName") or properties.get("FunctionName") or properties.get("StateMachineName")
        return str(own or f"{template.environment}-{id}-ABCDEFGHIJKL"[:80])

    match value:
        case {"Ref": reference}:
            return PSEUDO_PARAMETERS.get(reference) or name(reference)
        case {"Fn::GetAtt": [id, attribute]}:
            prefix = "arn:aws:service:ap-southeast-2:111122223333:" if attribute.endswith("Arn") else ""
            return prefix + name(id)
        case {"Fn::Join": [separator, parts]}:
            return separator.join(deployed(template, part) for part in parts)
        case dict():
            return {key: deployed(template, member) for key, member in value.items()}
        case list():
            return [deployed(template, member) for member in value]
    return value


def test_twelve_pools_fit_the_limits_of_aws(many: Template) -> None:
    assert len(many.body["Resources"]) <= 500
    assert len(json.dumps(many.body)) <= 1_000_000
    for role in many.of_type("AWS::IAM::Role").values():
        policies = deployed(many, [policy["PolicyDocument"] for policy in role["Policies"]])
        assert len(json.dumps(policies, separators=(",", ":"))) <= 10_240
    for part in many.functions():
        variables = deployed(many, many.function(part)["Environment"]["Variables"])
        assert sum(len(name) + len(value.encode()) for name, value in variables.items()) <= 4096, part


@pytest.mark.parametrize("max_running", [1, 2, 5, 20, 999, 1000, 1001, 2500, 9999, 10_000])
def test_lane_runs_as_many_tasks_as_max_running_says_and_never_more(max_running: int) -> None:
    (limit,) = concurrencies(max_running, lanes=1)
    at_once = limit.batch_size * limit.invocations
    assert at_once == max_running if max_running <= 1000 else 0.99 * max_running <= at_once <= max_running
    assert limit.is_reserved == (max_running == 1)
    assert limit.invocations <= 1000
    assert limit.batch_size <= 10


@pytest.mark.parametrize(("max_running", "lanes"), [(0, 1), (10_001, 1), (2, 3)])
def test_max_running_that_no_event_source_can_have_is_refused(max_running: int, lanes: int) -> None:
    with pytest.raises(ValueError, match=f"max_running is {max_running}: it must be {lanes} to 10000"):
        concurrencies(max_running, lanes=lanes)


REFUSED = {
    "memory": (
        'yard.pool("images", tasks="orders.images", memory=64)',
        "memory is 64: it must be 128 to 10240 (Lambda)",
    ),
    "timeout": ('yard.pool("images", tasks="orders.images", timeout=901)', "timeout is 901: it must be 15 to 900"),
    "max_running": ('yard.pool("images", tasks="orders.images", max_running=2, lanes=3)', "it must be 3 to 10000"),
    "lanes": ('yard.pool("images", tasks="orders.images", lanes=2)', "lanes is 2: it must be 1 or 3"),
    "name": ('yard.pool("high", tasks="orders.images")', "'high' cannot be the name of a pool"),
    "variable": ('yard.pool("images", tasks="orders.images", environment={"LANES": ""})', "LANES is set by Taskyard"),
    "prop": ('Taskyard(stack, "Wrong", environment="x", worker_memory=1)', "x: worker_memory is 1: it must be 128"),
    "account": (
        'Taskyard(stack, "Elsewhere", environment="x", account="1")',
        "account is 1, but it would be deployed to 2",
    ),
    "nested": (
        'Taskyard(cdk.NestedStack(stack, "Nested"), "Other", environment="x")',
        "Taskyard cannot be in a nested stack",
    ),
}
REFUSALS = """
import sys
from infra.node import use_bundled_node
use_bundled_node()
import aws_cdk as cdk
from infra import DeploymentError, Taskyard

stack = cdk.Stack(cdk.App(), "Shop")
yard = Taskyard(stack, "Tasks", environment="prod")
for call in sys.argv[1:]:
    try:
        eval(call)
    except DeploymentError as error:
        print(error)
    else:
        print("not refused:", call)
"""


def test_what_aws_would_refuse_is_refused_when_it_is_declared(tmp_path: Path, offline: Mapping[str, str]) -> None:
    command = [sys.executable, "-c", REFUSALS, *(call for call, _ in REFUSED.values())]
    environment = {**offline, "PYTHONPATH": str(ROOT), "CDK_DEFAULT_ACCOUNT": "2"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    lines = ran.stdout.splitlines()
    assert len(lines) == len(REFUSED), ran.stdout + ran.stderr
    for line, (call, words) in zip(lines, REFUSED.values(), strict=True):
        assert words in line, call
