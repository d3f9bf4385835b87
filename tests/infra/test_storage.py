"""The table and the bucket."""

from __future__ import annotations

from app import CONFIGS
from tests.infra.template import Template


def test_the_table_is_the_contracts(template: Template) -> None:
    (table,) = template.of_type("AWS::DynamoDB::Table").values()
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_indexes_hold_keys_only(template: Template) -> None:
    (table,) = template.of_type("AWS::DynamoDB::Table").values()
    indexes = {
        index["IndexName"]: ([key["AttributeName"] for key in index["KeySchema"]], index["Projection"])
        for index in table["GlobalSecondaryIndexes"]
    }
    keys_only = {"ProjectionType": "KEYS_ONLY"}
    assert indexes == {
        "listing": (["listPk", "listSk"], keys_only),
        "deadLetters": (["deadPk", "deadSk"], keys_only),
    }


def test_documents_are_private_and_encrypted(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    (policy,) = template.of_type("AWS::S3::BucketPolicy").values()
    assert "aws:SecureTransport" in str(policy["PolicyDocument"])


def test_no_document_expires_before_its_task(template: Template) -> None:
    (bucket,) = template.of_type("AWS::S3::Bucket").values()
    assert not any("ExpirationInDays" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])


def test_a_document_can_be_restored_for_as_long_as_the_table(prod: Template) -> None:
    (bucket,) = prod.of_type("AWS::S3::Bucket").values()
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 35}
    assert rule["ExpiredObjectDeleteMarker"] is True


def test_what_is_deleted_with_its_stack_keeps_no_versions(dev: Template) -> None:
    (bucket,) = dev.of_type("AWS::S3::Bucket").values()
    assert "VersioningConfiguration" not in bucket


def test_data_outlives_the_stack_where_it_matters(template: Template) -> None:
    wanted = "Retain" if CONFIGS[template.environment].keep_data else "Delete"
    for resource in template.body["Resources"].values():
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == wanted


def test_production_keeps_its_data(prod: Template) -> None:
    (table,) = prod.of_type("AWS::DynamoDB::Table").values()
    assert table["DeletionProtectionEnabled"] is True
