"""Encryption at rest: one customer key where the configuration asks for it, and who may use it for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app import CONFIGS
from tests.infra.template import PARTS, Template, as_list, target

TABLE_USE = {
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
DECRYPT, ENCRYPT = {"kms:Decrypt"}, {"kms:GenerateDataKey"}
BOTH = DECRYPT | ENCRYPT
# Function → service → what its role may ask of the key through it.
USES = {
    "api": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "producer": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "firing": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "worker-high": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "worker-normal": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "worker-low": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "dead-letter": {"dynamodb": TABLE_USE, "sqs": BOTH},
    "observer": {"dynamodb": TABLE_USE, "sqs": BOTH},
    "workflow": {"dynamodb": TABLE_USE, "s3": BOTH, "sqs": BOTH},
    "notifier": {"dynamodb": TABLE_USE},
}


@dataclass(frozen=True)
class KeyUse:
    """What a role may ask of the key. `service`: through which."""

    service: str
    actions: set[str]
    key: Any


def key_uses(statements: list[dict[str, Any]]) -> Iterator[KeyUse]:
    for statement in statements:
        actions = set(as_list(statement["Action"]))
        if not any(action.startswith("kms:") for action in actions):
            continue
        assert all(action.startswith("kms:") for action in actions)
        # A condition of this form, so that the key cannot be used but through the service.
        join = statement["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Join"][1]
        assert join[1:] == [{"Ref": "AWS::Region"}, ".amazonaws.com"]
        yield KeyUse(join[0].rstrip("."), actions, statement["Resource"])


def the_key(template: Template) -> tuple[str, dict[str, Any]]:
    ((name, properties),) = template.of_type("AWS::KMS::Key").items()
    return name, properties


def encrypted_with(template: Template) -> dict[str, Any]:
    """Logical id of each resource that holds data → the key that it names; None for the service's own."""
    found: dict[str, Any] = {}
    for name, it in template.of_type("AWS::DynamoDB::Table").items():
        found[name] = it.get("SSESpecification", {}).get("KMSMasterKeyId")
    for name, it in template.of_type("AWS::S3::Bucket").items():
        (rule,) = it["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        found[name] = rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    for name, it in template.of_type("AWS::SQS::Queue").items():
        found[name] = it.get("KmsMasterKeyId")
    for name, it in template.of_type("AWS::Logs::LogGroup").items():
        found[name] = it.get("KmsKeyId")
    return found


def test_prod_has_a_customer_key_and_dev_none() -> None:
    assert {name: config.customer_key for name, config in CONFIGS.items()} == {"dev": False, "prod": True}


def test_all_that_holds_data_is_encrypted_with_the_key(prod: Template) -> None:
    name, _ = the_key(prod)
    assert {target(key) for key in encrypted_with(prod).values() if key} == {name}
    assert not [resource for resource, key in encrypted_with(prod).items() if key is None]
    (topic,) = prod.of_type("AWS::SNS::Topic").values()
    assert target(topic["KmsMasterKeyId"]) == name


def test_without_a_customer_key_services_use_their_own(dev: Template) -> None:
    assert set(encrypted_with(dev).values()) == {None}
    assert all(queue["SqsManagedSseEnabled"] for queue in dev.of_type("AWS::SQS::Queue").values())
    assert not [part for part in PARTS if list(key_uses(list(dev.statements(part))))]


def test_key_is_rotated_and_outlives_the_stack_with_its_data(prod: Template) -> None:
    name, key = the_key(prod)
    assert key["EnableKeyRotation"] is True
    resource = prod.body["Resources"][name]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_few_calls_of_kms_are_paid_for(prod: Template) -> None:
    (bucket,) = prod.of_type("AWS::S3::Bucket").values()
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["BucketKeyEnabled"] is True
    periods = {queue["KmsDataKeyReusePeriodSeconds"] for queue in prod.of_type("AWS::SQS::Queue").values()}
    assert periods == {24 * 3600}


@pytest.mark.parametrize("part", PARTS)
def test_role_may_use_the_key_for_what_it_may_do_and_through_that_service_only(prod: Template, part: str) -> None:
    uses = list(key_uses(list(prod.statements(part))))
    assert {use.service: use.actions for use in uses} == USES[part]
    assert {target(use.key) for use in uses} == {the_key(prod)[0]}


def test_timers_send_to_encrypted_queues(prod: Template) -> None:
    roles = prod.of_type("AWS::IAM::Role").values()
    (timers,) = [role for role in roles if role.get("Description") == "EventBridge Scheduler: wake a lane"]
    (policy,) = timers["Policies"]
    (use,) = key_uses(policy["PolicyDocument"]["Statement"])
    assert (use.service, use.actions) == ("sqs", BOTH)


def test_services_without_a_role_use_the_key_for_this_account_only(prod: Template) -> None:
    _, key = the_key(prod)
    root, logs, alarms = key["KeyPolicy"]["Statement"]
    assert (root["Action"], list(root["Principal"])) == ("kms:*", ["AWS"])
    assert logs["Principal"] == {"Service": {"Fn::Join": ["", ["logs.", {"Ref": "AWS::Region"}, ".amazonaws.com"]]}}
    pattern = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert prod.resolve(pattern) == ("arn:ref-AWS::Partition:logs:ref-AWS::Region:ref-AWS::AccountId:log-group:*")
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_bucket_queues_and_topic_refuse_plain_http(template: Template) -> None:
    kinds = {
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
    }
    for kind, (policy_kind, field) in kinds.items():
        refusing = {
            target(name)
            for policy in template.of_type(policy_kind).values()
            for name in as_list(policy[field])
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        }
        assert refusing == set(template.of_type(kind)), kind
