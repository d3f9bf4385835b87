"""How every function of this stack is made: role, log group, variables, code and layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from ..acknowledgements import acknowledge
from ..build.assets import Asset, Assets
from ..build.pools import StackAssets
from ..config import Config
from ..encryption import Encryption
from .variables import VARIABLES

NAMESPACE = "Taskyard"
# Statement id → why its wildcard cannot be avoided. A wildcard in any other statement is a finding of cdk-nag.
_ACCEPTED_WILDCARDS = {
    "Indexes": "Queries of both indexes of the one table.",
    "Streams": "ListStreams has no single stream as its resource.",
    "Documents": "The keys of documents are made when a task is submitted.",
    "Timers": "The names of schedules are made when a task is submitted; they are all in one group.",
    "WebhookSecrets": "Tenants name their secrets; all are below one path.",
    "Schedules": "The names of schedules are made when one is created; they are all in one group.",
    "Answer": "SendTaskSuccess has no resource: whoever holds the token that only this machine gave may answer.",
    "Mail": "Recipients are identities too in SES's sandbox; the condition names the senders.",
}


class DeploymentPackage(Construct):
    """What all functions share: the configuration, the key of what is kept, and, once all pools are known, the code and
    the layer of dependencies (docs/adr/0036)."""

    def __init__(self, scope: Construct, id: str, *, config: Config, encryption: Encryption) -> None:
        super().__init__(scope, id)
        self.config = config
        self.encryption = encryption
        self._functions: list[tuple[lambda_.Function, str | None]] = []
        self._layers: dict[str, lambda_.LayerVersion] = {}

    def add(self, function: lambda_.Function, *, pool: str | None) -> None:
        """`pool`: whose assets the function gets; None: those of all functions but the workers."""
        self._functions.append((function, pool))

    def deliver(self, assets: StackAssets) -> None:
        """Give every function its code and its layer. Called once, when no pool can be added any more."""
        for function, pool in self._functions:
            own = assets.functions if pool is None else assets.pools[pool]
            function.add_layers(self._layer(own, pool))
            self._set_code(function, own.code)

    def _layer(self, assets: Assets, pool: str | None) -> lambda_.LayerVersion:
        """One for all functions with equal dependencies."""
        if assets.layer.hash not in self._layers:
            self._layers[assets.layer.hash] = lambda_.LayerVersion(
                self,
                f"{camel_case(pool)}Layer" if self._layers and pool else "Layer",
                description=f"Dependencies of Taskyard's functions; bytecode: {assets.bytecode}",
                code=lambda_.Code.from_asset(
                    str(assets.layer.path), asset_hash=assets.layer.hash, asset_hash_type=cdk.AssetHashType.CUSTOM
                ),
                compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
                compatible_architectures=[lambda_.Architecture.ARM_64],
            )
        return self._layers[assets.layer.hash]

    def _set_code(self, function: lambda_.Function, code: Asset) -> None:
        id = f"Code{code.hash[:16]}"
        asset = self.node.try_find_child(id) or s3_assets.Asset(
            self, id, path=str(code.path), asset_hash=code.hash, asset_hash_type=cdk.AssetHashType.CUSTOM
        )
        assert isinstance(asset, s3_assets.Asset)
        resource = cfn_function(function)
        resource.code = lambda_.CfnFunction.CodeProperty(s3_bucket=asset.s3_bucket_name, s3_key=asset.s3_object_key)
        asset.add_resource_metadata(resource, "Code")


def camel_case(name: str) -> str:
    return "".join(word.title() for word in name.split("-"))


def cfn_function(function: lambda_.Function) -> lambda_.CfnFunction:
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)
    return resource


def log_group(
    scope: Construct, id: str, *, config: Config, encryption: Encryption, name: str | None = None
) -> logs.LogGroup:
    """A log group with the retention of the configuration, deleted with the stack."""
    group = logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        encryption_key=encryption.key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    # As a number: the CDK has a word for each that CloudWatch takes.
    resource.retention_in_days = config.log_retention_days
    return group


def vended_log_group(scope: Construct, id: str, *, config: Config, encryption: Encryption, log: str) -> logs.LogGroup:
    """A log group that another AWS service writes to (an API's access log). Such a service adds each group to a
    resource policy of the account, which is limited to 5,120 characters; when it is full, the stage cannot be created.
    That policy covers groups below /aws/vendedlogs/ already."""
    return log_group(scope, id, config=config, encryption=encryption, name=f"/aws/vendedlogs/{config.name}/{log}")


class Function(Construct):
    """A function with its own role, log group and variables.

    `service`: its name in logs and metrics. `folder`: its folder below functions/, by default that of the service's
    name: the handler of `dead-letter` is `functions.dead_letter.handler.handler`. `environment`: variables that
    infra/functions/variables.py describes. `statements`: all that its role may do besides writing to its log group.
    The key of what they allow is added.
    `name`: fixed for a function that others find by name; else CloudFormation names it. `pool`: whose code and packages
    it runs; None: those of all functions but the workers. Raises ValueError.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        package: DeploymentPackage,
        service: str,
        folder: str | None = None,
        timeout_seconds: int,
        memory: int,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        recursive: bool = False,
        name: str | None = None,
        pool: str | None = None,
    ) -> None:
        super().__init__(scope, id)
        config = package.config
        self.service = service
        variables = {
            "ENVIRONMENT": config.environment,
            **environment,
            "LOG_LEVEL": config.log_level,
            "POWERTOOLS_SERVICE_NAME": service,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        }
        if unknown := sorted(set(variables) - set(VARIABLES)):
            raise ValueError(f"{service}: infra/functions/variables.py does not describe {', '.join(unknown)}")
        logs_group = log_group(self, "Logs", config=config, encryption=package.encryption)
        write_logs = iam.PolicyStatement(
            sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[logs_group.log_group_arn]
        )
        # Inline, so that the role is never there without its policy: an event source mapping checks it when it is made.
        role = iam.Role(
            self,
            "Role",
            description=f"Taskyard {config.environment}: {service}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "function": iam.PolicyDocument(
                    statements=[write_logs, *statements, *package.encryption.allow_key(statements)]
                )
            },
        )
        self._acknowledge_wildcards(role, statements)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=f"Taskyard {config.environment}: {service}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"functions.{(folder or service).replace('-', '_')}.handler.handler",
            # DeploymentPackage.deliver replaces it, and adds the layer.
            code=lambda_.Code.from_inline("not delivered"),
            role=role,
            log_group=logs_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=cdk.Duration.seconds(timeout_seconds),
            memory_size=memory,
            recursive_loop=lambda_.RecursiveLoop.ALLOW if recursive else None,
            environment=variables,
        )
        package.add(self.function, pool=pool)
        acknowledge(
            self.function,
            {"AwsSolutions-L1": "Python 3.13 is what the layer's wheels and bytecode are made for."},
        )

        # CDK refers to the role twice, as a dependency and as the role. It is harmless.
        cfn_function(self.function).add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3005"]}})

    @property
    def arn(self) -> str:
        return self.function.function_arn

    def add_queue_source(
        self, queue: sqs.IQueue, *, scope: Construct, id: str, batch_size: int, max_concurrency: int | None = None
    ) -> None:
        """Invoke this function with batches of a queue's messages; each message succeeds or fails on its own.
        `max_concurrency`: of invocations. The role's `statements` must allow it."""
        source = lambda_.CfnEventSourceMapping
        source(
            scope,
            id,
            function_name=self.arn,
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=source.ScalingConfigProperty(maximum_concurrency=max_concurrency)
            if max_concurrency
            else None,
        )

    def _acknowledge_wildcards(self, role: iam.Role, statements: Sequence[iam.PolicyStatement]) -> None:
        stack = cdk.Stack.of(self)
        for statement in statements:
            reason = _ACCEPTED_WILDCARDS.get(statement.sid or "")
            if reason:
                for resource in statement.resources:
                    acknowledge(role, {f"AwsSolutions-IAM5[Resource::{_name_in_findings(stack, resource)}]": reason})


def _name_in_findings(stack: cdk.Stack, resource: str) -> str:
    """A resource as findings of cdk-nag name it: references in angle brackets, `<Table.Arn>/index/*`."""
    return _reference_in_findings(stack.resolve(resource))


def _reference_in_findings(value: Any) -> str:
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_reference_in_findings(part) for part in parts)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return str(value)
