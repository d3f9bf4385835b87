"""Creates the template's resources in moto, except types without state (alarms, dashboards, policies)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from typing import Any

from local.aws import moto_backends
from local.template.intrinsics import ACCOUNT, REGION, TemplateError
from local.template.notes import left_out
from local.template.references import STREAM_LABEL
from local.template.roles import Permission, PermissionDenied
from local.template.stack import FunctionSpec, Stack

_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:"
# What Lambda does itself under a function's role, after its documentation.
_LOG_ACTIONS = ("CreateLogStream", "PutLogEvents")
_QUEUE_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
_STREAM_ACTIONS = ("DescribeStream", "GetRecords", "GetShardIterator")


def provision(stack: Stack, names: Collection[str] | None = None) -> None:
    """Create all that functions and event sources use, or of it the resources with these logical ids. Raises
    `TemplateError` for a resource that AWS would refuse."""
    makers = [*_MAKERS.items(), ("AWS::SQS::Queue", _redrive)]
    for kind, make in makers:
        for name in stack.of_type(kind):
            if names is None or name in names:
                make(stack, name)
    for function in stack.functions.values():
        for variable in ("MAIL_FROM", "MAIL_SENDERS"):
            for sender in filter(None, function.environment.get(variable, "").split(",")):
                # The domain, not the address: the role and the code decide which senders are allowed.
                moto_backends.backend("ses").verify_domain(sender.rpartition("@")[2])
    check_permissions_of_services(stack)
    _check_visibility(stack)
    for line in left_out(stack.active(), MADE_KINDS):
        stack.notes.add(line)


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
    attributes = {key: properties[key] for key in _QUEUE_ATTRIBUTES if key in properties}
    if properties.get("FifoQueue"):
        attributes |= {
            "FifoQueue": "true",
            "ContentBasedDeduplication": str(bool(properties.get("ContentBasedDeduplication"))).lower(),
        }
    moto_backends.backend("sqs").create_queue(stack.physical_name(name), {}, **attributes)


def _redrive(stack: Stack, name: str) -> None:
    """A step of its own: the dead-letter queue has to be there."""
    policy = stack.properties(name).get("RedrivePolicy")
    if policy:
        moto_backends.backend("sqs").set_queue_attributes(
            stack.physical_name(name), {"RedrivePolicy": policy if isinstance(policy, str) else json.dumps(policy)}
        )


def _bucket(stack: Stack, name: str) -> None:
    moto_backends.backend("s3").create_bucket(stack.physical_name(name), "us-east-1")


def _topic(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    topic = moto_backends.backend("sns").create_topic(stack.physical_name(name))
    for subscription in properties.get("Subscription", []):
        _subscribe(stack, name, topic.arn, subscription)


def _subscription(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    _subscribe(stack, name, properties["TopicArn"], properties)


def _subscribe(stack: Stack, name: str, topic: str, properties: dict[str, Any]) -> None:
    queues = {stack.reference(queue, "Arn") for queue in stack.of_type("AWS::SQS::Queue")}
    topics = {stack.reference(topic, None) for topic in stack.of_type("AWS::SNS::Topic")}
    if properties.get("Protocol") != "sqs" or properties.get("Endpoint") not in queues or topic not in topics:
        stack.notes.add(f"left out here: a subscription of {name}: topics of this stack send to its queues only")
        return
    subscription = moto_backends.backend("sns").subscribe(topic, properties["Endpoint"], "sqs")
    if properties.get("RawMessageDelivery"):
        subscription.attributes["RawMessageDelivery"] = "true"
    if policy := properties.get("FilterPolicy"):
        moto_backends.backend("sns").set_subscription_attributes(
            subscription.arn, "FilterPolicy", policy if isinstance(policy, str) else json.dumps(policy)
        )


def _key(stack: Stack, name: str) -> None:
    backend = moto_backends.backend("kms")
    properties = stack.properties(name)
    usage, spec = properties.get("KeyUsage", "ENCRYPT_DECRYPT"), properties.get("KeySpec", "SYMMETRIC_DEFAULT")
    key = backend.create_key(None, usage, spec, properties.get("Description", ""), None)
    del backend.keys[key.id]
    key.id, key.arn = stack.reference(name, None), stack.reference(name, "Arn")
    backend.keys[key.id] = key


def _alias(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    key = str(properties["TargetKeyId"]).rpartition("/")[2]
    if key in moto_backends.backend("kms").keys:
        moto_backends.backend("kms").create_alias(key, properties["AliasName"])
    else:
        stack.notes.add(f"left out here: {name}: its key is not of this stack")


def _event_bus(stack: Stack, name: str) -> None:
    moto_backends.backend("events").create_event_bus(stack.physical_name(name))


def _schedule_group(stack: Stack, name: str) -> None:
    moto_backends.backend("scheduler").create_schedule_group(stack.physical_name(name), [])


def _parameter(stack: Stack, name: str) -> None:
    properties = stack.properties(name)
    moto_backends.backend("ssm").put_parameter(
        stack.physical_name(name), "", properties["Value"], properties["Type"], "", "", True, [], "text", "Standard", []
    )


def _secret(stack: Stack, name: str) -> None:
    """A generated value is derived from the name, not random: a receiver under development keeps its secret across
    runs."""
    physical, properties = stack.physical_name(name), stack.properties(name)
    generated = properties.get("GenerateSecretString", {})
    value = hashlib.sha512(physical.encode()).hexdigest()[: generated.get("PasswordLength", 32)]
    if "SecretString" in properties:
        value = str(properties["SecretString"])
    elif "GenerateStringKey" in generated:
        fields = json.loads(generated.get("SecretStringTemplate", "{}"))
        value = json.dumps({**fields, generated["GenerateStringKey"]: value})
    backend = moto_backends.backend("secretsmanager")
    backend.create_secret(physical, value, None, None, [], None, None, [], False)
    backend.secrets[physical].arn = stack.reference(name, None)


# In this order: what is made may refer to what was made before it.
_MAKERS: dict[str, Callable[[Stack, str], None]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::S3::Bucket": _bucket,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::Subscription": _subscription,
    "AWS::KMS::Key": _key,
    "AWS::KMS::Alias": _alias,
    "AWS::Events::EventBus": _event_bus,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SecretsManager::Secret": _secret,
}


MADE_KINDS = frozenset(_MAKERS)


def check_permissions_of_services(stack: Stack) -> None:
    """Raise `TemplateError` where a function's role lacks what Lambda itself does under it: write the function's log,
    read its event sources, send the batches that it gives up. Lambda refuses such an event source mapping. A function
    that may not write its log runs without one; here it is refused, so that somebody notices."""
    for name in stack.of_type("AWS::Lambda::Function"):
        properties = stack.properties(name)
        if group := properties.get("LoggingConfig", {}).get("LogGroup"):
            stream = f"{_ARN.format('logs')}log-group:{group}:log-stream:any"
            function = stack.find_function(stack.physical_name(name))
            if function is None:
                continue
            needs = [Permission(f"logs:{action}", stream) for action in _LOG_ACTIONS]
            _require_of(function, needs, "its log")
    for source in stack.event_sources:
        service = source.source_arn.split(":")[2]
        actions = _QUEUE_ACTIONS if service == "sqs" else _STREAM_ACTIONS
        needs = [Permission(f"{service}:{action}", source.source_arn) for action in actions]
        if service == "dynamodb":
            needs.append(Permission("dynamodb:ListStreams", f"{source.source_arn.partition('/stream/')[0]}/stream/*"))
        destination = source.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            needs.append(Permission("sqs:SendMessage", destination))
        _require_of(source.function, needs, "its event source mapping")


def _require_of(function: FunctionSpec, needs: list[Permission], what: str) -> None:
    try:
        function.role.require(needs)
    except PermissionDenied as denied:
        raise TemplateError(
            f"the role of {function.label} lacks {denied.needed.action} on {denied.needed.resource}, which {what} needs"
        ) from None


def _check_visibility(stack: Stack) -> None:
    """Lambda refuses a mapping of a queue whose visibility timeout is shorter than the function's time-out."""
    for source in stack.event_sources:
        if source.source_arn.split(":")[2] == "sqs":
            queue = queue_of(source.source_arn)
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
