"""Creates the template's resources in moto, except types without state (alarms, dashboards, policies)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from local.aws import moto_backends
from local.template.intrinsics import TemplateError
from local.template.roles import Permission, PermissionDenied
from local.template.stack import STREAM_LABEL, Stack

_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_QUEUE_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
_STREAM_ACTIONS = ("DescribeStream", "GetRecords", "GetShardIterator")


def provision(stack: Stack) -> None:
    """Create all that functions and event sources use. Raises `TemplateError` for a resource that AWS would refuse."""
    kinds: dict[str, Callable[[Stack, str], None]] = {
        "AWS::DynamoDB::Table": _table,
        "AWS::SQS::Queue": _queue,
        "AWS::S3::Bucket": _bucket,
        "AWS::SNS::Topic": _topic,
        "AWS::Scheduler::ScheduleGroup": _schedule_group,
        "AWS::SSM::Parameter": _parameter,
        "AWS::SecretsManager::Secret": _secret,
    }
    for kind, make in kinds.items():
        for name in stack.of_type(kind):
            make(stack, name)
    for name in stack.of_type("AWS::SQS::Queue"):
        _redrive(stack, name)
    for function in stack.functions.values():
        for variable in ("MAIL_FROM", "MAIL_SENDERS"):
            for sender in filter(None, function.environment.get(variable, "").split(",")):
                # The domain, not the address: the role and the code decide which senders are allowed.
                moto_backends.backend("ses").verify_domain(sender.rpartition("@")[2])
    _check_event_sources(stack)


def _table(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    backend = moto_backends.backend("dynamodb")
    stream = properties.get("StreamSpecification")
    table = backend.create_table(
        stack.physical_name(name),
        schema=properties["KeySchema"],
        throughput=None,
        attr=properties["AttributeDefinitions"],
        global_indexes=properties.get("GlobalSecondaryIndexes", []),
        indexes=properties.get("LocalSecondaryIndexes", []),
        streams=dict(stream) if stream else None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    if stream:
        table.latest_stream_label = STREAM_LABEL
    if "TimeToLiveSpecification" in properties:
        backend.update_time_to_live(table.name, properties["TimeToLiveSpecification"])


def _queue(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    if properties.get("FifoQueue"):
        raise TemplateError(f"{name}: the local runtime has no FIFO queues")
    attributes = {key: properties[key] for key in _QUEUE_ATTRIBUTES if key in properties}
    moto_backends.backend("sqs").create_queue(stack.physical_name(name), {}, **attributes)


def _redrive(stack: Stack, name: str) -> None:
    policy = stack.properties(name).get("RedrivePolicy")
    if policy:
        moto_backends.backend("sqs").set_queue_attributes(
            stack.physical_name(name), {"RedrivePolicy": policy if isinstance(policy, str) else json.dumps(policy)}
        )


def _bucket(stack: Stack, name: str) -> None:
    moto_backends.backend("s3").create_bucket(stack.physical_name(name), "us-east-1")


def _topic(stack: Stack, name: str) -> None:
    moto_backends.backend("sns").create_topic(stack.physical_name(name))


def _schedule_group(stack: Stack, name: str) -> None:
    moto_backends.backend("scheduler").create_schedule_group(stack.physical_name(name), [])


def _parameter(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    moto_backends.backend("ssm").put_parameter(
        stack.physical_name(name), "", properties["Value"], properties["Type"], "", "", True, [], "text", "Standard", []
    )


def _secret(stack: Stack, name: str) -> None:
    """The value is derived from the name, not random: a receiver under development keeps its secret across runs."""
    physical = stack.physical_name(name)
    generated = stack.properties(name).get("GenerateSecretString", {})
    value = hashlib.sha512(physical.encode()).hexdigest()[: generated.get("PasswordLength", 32)]
    moto_backends.backend("secretsmanager").create_secret(physical, value, None, None, [], None, None, [], False)


def _check_event_sources(stack: Stack) -> None:
    """Lambda refuses a mapping whose function may not read the source, or whose queue's visibility is too short."""
    for source in stack.event_sources:
        service = source.source_arn.split(":")[2]
        actions = _QUEUE_ACTIONS if service == "sqs" else _STREAM_ACTIONS
        needs = [Permission(f"{service}:{action}", source.source_arn) for action in actions]
        destination = source.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            needs.append(Permission("sqs:SendMessage", destination))
        try:
            source.function.role.require(needs)
        except PermissionDenied as denied:
            raise TemplateError(
                f"the role of {source.function.label} lacks {denied.needed.action} on {denied.needed.resource}, "
                "which its event source mapping needs"
            ) from None
        if service == "sqs":
            queue = moto_backends.backend("sqs").queues[source.source_arn.rpartition(":")[2]]
            if queue.visibility_timeout < source.function.timeout:
                raise TemplateError(
                    f"the visibility timeout of {queue.name} ({queue.visibility_timeout} s) is less than the timeout "
                    f"of {source.function.label} ({source.function.timeout:g} s)"
                )


def queue_of(arn: str) -> Any:
    """moto's queue by its ARN."""
    try:
        return moto_backends.backend("sqs").queues[arn.rpartition(":")[2]]
    except KeyError:
        raise TemplateError(f"there is no queue {arn}") from None


def table_of(arn: str) -> Any:
    """moto's table by the ARN of the table, a stream or an index of it."""
    return moto_backends.backend("dynamodb").tables[arn.split("/")[1]]
