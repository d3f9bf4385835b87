"""`make destroy`: executions stopped, buckets emptied, leftovers of a failed first deployment deleted, data kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID

from infra.teardown import ROUNDS, USER_POOL, Resource, Teardown, TeardownError, main

REGION = "us-east-1"
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/machine"
WAITS = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}})


def template(*, retained: bool) -> dict[str, Any]:
    """The resources that matter, under plain names."""
    policy = "Retain" if retained else "Delete"
    key = [{"AttributeName": "pk", "KeyType": "HASH"}]
    table = {
        "TableName": "tasks",
        "KeySchema": key,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": retained,
    }
    metadata = {"Taskyard": "Taskyard"}
    machine = {"StateMachineName": "runs", "DefinitionString": WAITS, "RoleArn": ROLE}
    return {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Metadata": metadata,
                "DeletionPolicy": policy,
                "Properties": table,
            },
            "Documents": {
                "Type": "AWS::S3::Bucket",
                "Metadata": metadata,
                "DeletionPolicy": policy,
                "Properties": {"BucketName": "documents"},
            },
            "Pictures": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "pictures"}},
            "Key": {
                "Type": "AWS::KMS::Key",
                "Metadata": metadata,
                "DeletionPolicy": policy,
                "Properties": {"KeyPolicy": {}},
            },
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Metadata": metadata, "Properties": machine},
        }
    }


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "-")
    with mock_aws():
        yield boto3.Session(region_name=REGION)


def deployed(session: boto3.Session, *, environment: str = "dev", failed_first: bool = False) -> Teardown:
    """A stack that holds objects and executions, unless its first deployment failed."""
    name = f"Taskyard-{environment}"
    body = json.dumps(template(retained=environment == "prod"))
    session.client("cloudformation").create_stack(StackName=name, TemplateBody=body)
    # moto does not read it from the template.
    session.client("s3").put_bucket_versioning(Bucket="documents", VersioningConfiguration={"Status": "Enabled"})
    if failed_first:
        (stack,) = cloudformation_backends[DEFAULT_ACCOUNT_ID][REGION].stacks.values()
        stack.status = "ROLLBACK_COMPLETE"
    return Teardown(stack=name, session=session)


def machine(session: boto3.Session) -> str:
    (found,) = session.client("stepfunctions").list_state_machines()["stateMachines"]
    return str(found["stateMachineArn"])


def start(session: boto3.Session, count: int) -> None:
    for _ in range(count):
        session.client("stepfunctions").start_execution(stateMachineArn=machine(session))


def statuses(session: boto3.Session) -> list[str]:
    listed = session.client("stepfunctions").list_executions(stateMachineArn=machine(session))["executions"]
    return [execution["status"] for execution in listed]


def fill(session: boto3.Session) -> None:
    """Two versions of one document, and one that is deleted."""
    s3 = session.client("s3")
    for body in (b"1", b"2"):
        s3.put_object(Bucket="documents", Key="a", Body=body)
    s3.put_object(Bucket="documents", Key="b", Body=b"1")
    s3.delete_object(Bucket="documents", Key="b")


def versions(session: boto3.Session) -> int:
    listed = session.client("s3").list_object_versions(Bucket="documents")
    return len(listed.get("Versions", ())) + len(listed.get("DeleteMarkers", ()))


def names(session: boto3.Session) -> tuple[list[str], list[str]]:
    """Tables and buckets of Taskyard."""
    buckets = session.client("s3").list_buckets()["Buckets"]
    return session.client("dynamodb").list_tables()["TableNames"], [
        bucket["Name"] for bucket in buckets if bucket["Name"] != "pictures"
    ]


def key_states(session: boto3.Session) -> list[str]:
    kms = session.client("kms")
    keys = [key["KeyId"] for key in kms.list_keys()["Keys"]]
    return [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in keys]


def test_running_executions_are_stopped(session: boto3.Session) -> None:
    teardown = deployed(session)
    start(session, 3)
    assert f"stopped 3 executions of {machine(session)}" in teardown.run()
    assert statuses(session) == ["ABORTED"] * 3


def test_a_bucket_that_goes_with_its_stack_is_emptied_of_all_versions(session: boto3.Session) -> None:
    teardown = deployed(session)
    fill(session)
    assert versions(session) == 4
    assert "emptied the bucket documents: 4 versions of objects" in teardown.run()
    assert versions(session) == 0
    session.client("s3").delete_bucket(Bucket="documents")


def test_bucket_of_the_app_keeps_its_objects(session: boto3.Session) -> None:
    teardown = deployed(session)
    session.client("s3").put_object(Bucket="pictures", Key="one", Body=b"1")
    assert not [line for line in teardown.run() if "pictures" in line]
    assert session.client("s3").list_objects_v2(Bucket="pictures")["KeyCount"] == 1


def test_after_it_the_stack_can_be_deleted(session: boto3.Session) -> None:
    teardown = deployed(session)
    fill(session)
    start(session, 1)
    teardown.run()
    session.client("cloudformation").delete_stack(StackName=teardown.stack)
    assert names(session) == ([], [])


def test_what_holds_data_stays_as_it_is(session: boto3.Session) -> None:
    teardown = deployed(session, environment="prod")
    fill(session)
    lines = teardown.run()
    assert versions(session) == 4
    assert names(session) == (["tasks"], ["documents"])
    assert sum(line.startswith("stays") for line in lines) == 3
    assert key_states(session) == ["Enabled"]


def test_what_a_failed_first_deployment_left_is_deleted(session: boto3.Session) -> None:
    teardown = deployed(session, environment="prod", failed_first=True)
    lines = teardown.run()
    assert names(session) == ([], [])
    assert sum(line.startswith("deleted, left by a failed first deployment") for line in lines) == 3
    assert key_states(session) == ["PendingDeletion"]


def test_data_is_kept_though_the_first_deployment_failed(session: boto3.Session) -> None:
    teardown = deployed(session, environment="prod", failed_first=True)
    session.client("dynamodb").put_item(TableName="tasks", Item={"pk": {"S": "task"}})
    fill(session)
    teardown.run()
    assert names(session) == (["tasks"], ["documents"])
    assert versions(session) == 4
    assert key_states(session) == ["Enabled"], "without it, what stays cannot be read"


def pool_of(session: boto3.Session) -> str:
    """A user pool that cannot be deleted as it is: it is protected, and has a domain."""
    cognito = session.client("cognito-idp")
    pool: str = cognito.create_user_pool(PoolName="people", DeletionProtection="ACTIVE")["UserPool"]["Id"]
    cognito.create_user_pool_domain(Domain="yard", UserPoolId=pool)
    return pool


def pools(session: boto3.Session) -> list[str]:
    return [it["Id"] for it in session.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]]


@dataclass(frozen=True, kw_only=True)
class TeardownWithPool(Teardown):
    """moto's CloudFormation knows no user pools: this one is made beside the stack."""

    pool: str
    retained: bool

    def _resources(self) -> Iterator[Resource]:
        yield from super()._resources()
        yield Resource(kind=USER_POOL, id=self.pool, retained=self.retained)


@pytest.mark.parametrize(
    ("environment", "failed_first", "has_users", "stays"),
    [
        ("dev", False, True, True),
        ("prod", False, False, True),
        ("prod", True, False, False),
        ("prod", True, True, True),
    ],
)
def test_user_pool_is_deleted_only_without_users_and_after_a_failed_first_deployment(
    session: boto3.Session, environment: str, failed_first: bool, has_users: bool, stays: bool
) -> None:
    pool = pool_of(session)
    if has_users:
        session.client("cognito-idp").admin_create_user(UserPoolId=pool, Username="ann@example.com")
    stack = deployed(session, environment=environment, failed_first=failed_first).stack
    teardown = TeardownWithPool(stack=stack, session=session, pool=pool, retained=environment == "prod")
    lines = [line for line in teardown.run() if pool in line]
    assert pools(session) == ([pool] if stays else [])
    # CloudFormation deletes the pool of dev, with its users.
    assert [line.partition(",")[0] for line in lines] == (
        [] if environment == "dev" else ["stays" if stays else "deleted"]
    )
    teardown.run()
    assert pools(session) == ([pool] if stays else [])


@pytest.mark.parametrize(("environment", "failed_first"), [("dev", False), ("prod", False), ("prod", True)])
def test_it_may_be_run_again(session: boto3.Session, environment: str, failed_first: bool) -> None:
    teardown = deployed(session, environment=environment, failed_first=failed_first)
    start(session, 1)
    teardown.run()
    left = names(session)
    teardown.run()
    assert names(session) == left


def test_without_a_stack_there_is_nothing_to_do(session: boto3.Session) -> None:
    assert Teardown(stack="Taskyard-dev", session=session).run() == ["there is no stack Taskyard-dev"]


def test_executions_that_go_on_starting_are_reported(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    teardown = deployed(session)
    start(session, 1)
    states = session.client("stepfunctions")
    rounds = []
    # Whatever is stopped is started again.
    monkeypatch.setattr(states, "stop_execution", lambda **_: rounds.append(1))
    monkeypatch.setattr(session, "client", {**dict.fromkeys(("stepfunctions",), states)}.get)
    with pytest.raises(TeardownError, match="go on starting"):
        teardown._stop_executions(machine(session))
    assert len(rounds) == ROUNDS


@pytest.mark.parametrize("confirm", [[], ["--confirm", ""], ["--confirm", "prod"], ["--confirm", "Taskyard-dev"]])
def test_an_environment_that_keeps_data_is_torn_down_only_when_its_stack_is_named(
    session: boto3.Session, capsys: pytest.CaptureFixture[str], confirm: list[str]
) -> None:
    deployed(session, environment="prod")
    start(session, 1)
    assert main(["--stack", "Taskyard-prod", *confirm], session) == 2
    assert "CONFIRM=Taskyard-prod" in capsys.readouterr().err
    assert statuses(session) == ["RUNNING"]
    assert main(["--stack", "Taskyard-prod", "--confirm", "Taskyard-prod"], session) == 0
    assert statuses(session) == ["ABORTED"]


def test_a_stack_that_keeps_no_data_is_torn_down_without_being_named_twice(session: boto3.Session) -> None:
    deployed(session)
    start(session, 1)
    assert main(["--stack", "Taskyard-dev"], session) == 0
    assert statuses(session) == ["ABORTED"]


def test_a_stack_that_is_not_there_is_reported(session: boto3.Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "Taskyard-staging"], session) == 0
    assert capsys.readouterr().out == "there is no stack Taskyard-staging\n"
