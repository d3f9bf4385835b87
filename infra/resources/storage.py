"""Storage: the table of all records, and the bucket of payloads and results that are too large for it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ..acknowledgements import acknowledge
from ..config import Config
from ..encryption import Encryption
from ..names import mark_owner

LISTING_INDEX = "listing"
DEAD_LETTER_INDEX = "deadLetters"
# The period of point-in-time recovery of the table: the longest, and the default.
RECOVERY_PERIOD = cdk.Duration.days(35)


def _key(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


class Storage(Construct):
    """The table of all records (stream, TTL, two indexes of keys) and the bucket of documents."""

    def __init__(self, scope: Construct, id: str, *, config: Config, encryption: Encryption) -> None:
        super().__init__(scope, id)
        removal = cdk.RemovalPolicy.RETAIN if config.keep_data else cdk.RemovalPolicy.DESTROY
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_key("pk"),
            sort_key=_key("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            time_to_live_attribute="expiresAt",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if encryption.key else None,
            encryption_key=encryption.key,
            deletion_protection=config.keep_data,
            removal_policy=removal,
        )
        for name, pk, sk in ((LISTING_INDEX, "listPk", "listSk"), (DEAD_LETTER_INDEX, "deadPk", "deadSk")):
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=_key(pk),
                sort_key=_key(sk),
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )
        # No expiry by age: a task may be due in years, and the observer deletes a task's documents with the task.
        # Without keep_data `make destroy` empties the bucket: CloudFormation deletes none that holds anything.
        self.documents = s3.Bucket(
            self,
            "Documents",
            encryption=s3.BucketEncryption.KMS if encryption.key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=encryption.key,
            # A key of the bucket for a while, in place of a call of KMS for each document.
            bucket_key_enabled=True if encryption.key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            # A restored table refers to the documents of its time: their old versions are kept for the same period.
            versioned=config.keep_data,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                    noncurrent_version_expiration=RECOVERY_PERIOD if config.keep_data else None,
                    expired_object_delete_marker=True if config.keep_data else None,
                )
            ],
            removal_policy=removal,
        )
        for owned in (self.table, self.documents):
            mark_owner(owned, config.name)
        acknowledge(
            self.documents,
            {
                "AwsSolutions-S1": "Read and written by the functions only, which log each task; access logs of every "
                "document would cost more than the documents."
            },
        )

    def allow_records(self, *actions: str) -> iam.PolicyStatement:
        """Actions (`GetItem`) on the items of the table; not on its indexes."""
        return _allow("Records", "dynamodb", actions, self.table.table_arn)

    def allow_index_queries(self) -> iam.PolicyStatement:
        """Queries of every index of the table."""
        return _allow("Indexes", "dynamodb", ("Query",), f"{self.table.table_arn}/index/*")

    def allow_documents(self, *actions: str) -> iam.PolicyStatement:
        """Actions (`GetObject`) on every document."""
        return _allow("Documents", "s3", actions, self.documents.arn_for_objects("*"))

    def allow_stream(self) -> list[iam.PolicyStatement]:
        """What an event source mapping of the stream needs. ListStreams takes no single stream as its resource."""
        stream = self.table.table_stream_arn
        if stream is None:
            raise ValueError("the table has no stream")
        reads = ("DescribeStream", "GetRecords", "GetShardIterator")
        return [
            _allow("Stream", "dynamodb", reads, stream),
            _allow("Streams", "dynamodb", ("ListStreams",), f"{self.table.table_arn}/stream/*"),
        ]


def _allow(sid: str, service: str, actions: tuple[str, ...], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=[f"{service}:{action}" for action in actions], resources=[resource])
