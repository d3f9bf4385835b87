"""How every function of this stack is made: role, log group, variables, code and layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
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
from .variable_size import check_size
from .variables import VARIABLES

NAMESPACE = "Taskyard"
# Statement id → why its wildcard cannot be avoided. A wildcard in any other statement is a finding of cdk-nag.
_ACCEPTED_WILDCARDS = {
    "Indexes": "Queries of both indexes of the one table.",
    "Streams": "ListStreams has no single stream as its resource.",
    "Documents": "The keys of documents are made when a task is submitted.",
    "Timers": "The names of schedules are made when a task is submitted; they are all in one group.",
    "WebhookSecrets": "Tenants name their secrets; all are below one path.",
    "HandlerSecrets": "Tenants and the app name their secrets; all are below one path.",
    "Schedules": "The names of schedules are made when one is created; they are all in one group.",
    "Answer": "SendTaskSuccess has no resource: whoever holds the token that only this machine gave may answer.",
    "Vpc": "Lambda makes network interfaces in the name of the function; their ids are not known.",
    "Mail": "Recipients are identities too in SES's sandbox; the condition names the senders.",
}


class DeploymentPackage(Construct):
    """What all functions share: the configuration, the key of what is kept, and, once all pools are known, the code and
    the layer of dependencies (docs/adr/0036)."""

    def __init__(self, scope: Construct, id: str, *, config: Config, encryption: Encryption) -> None:
        super().__init__(scope, id)
        self.config = config
        self.encryption = encryption
        self._functions: list[tuple[Function, str | None]] = []
        self._layers: dict[str, lambda_.LayerVersion] = {}

    def add(self, function: Function, *, pool: str | None) -> None:
        """`pool`: whose assets the function gets; None: those of all functions but the workers."""
        self._functions.append((function, pool))

    def set_variable(self, name: str, value: str) -> None:
        """Of the functions that have it already."""
        for function in (function for function, _ in self._functions if name in function.variables):
            function.function.add_environment(name, value)
            function.variables[name] = value

    def deliver(self, assets: StackAssets) -> None:
        """Give every function its code and its layer. Called once, when no pool can be added any more. Raises
        InvalidConfigError: the variables of a function do not fit."""
        for function, pool in self._functions:
            check_size(function.service, cdk.Stack.of(self), function.variables)
            own = assets.functions if pool is None else assets.pools[pool]
            function.function.add_layers(self._layer(own, pool, function.function))
            self._set_code(function.function, own.code)

    def _layer(self, assets: Assets, pool: str | None, function: lambda_.Function) -> lambda_.LayerVersion:
        """One for all functions with equal dependencies."""
        if assets.layer.hash not in self._layers:
            self._layers[assets.layer.hash] = lambda_.LayerVersion(
                self,
                f"{pool}-layer" if self._layers and pool else "Layer",
                description=f"Dependencies of Taskyard's functions; bytecode: {assets.bytecode}",
                code=lambda_.Code.from_asset(
                    str(assets.layer.path), asset_hash=assets.layer.hash, asset_hash_type=cdk.AssetHashType.CUSTOM
                ),
                compatible_runtimes=[function.runtime],
                compatible_architectures=[function.architecture],
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


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """What only workers of pools have other than by default. `layers`: besides that of the dependencies."""

    runtime: lambda_.Runtime = lambda_.Runtime.PYTHON_3_13
    architecture: lambda_.Architecture = lambda_.Architecture.ARM_64
    reserved_concurrency: int | None = None
    layers: Sequence[lambda_.ILayerVersion] = ()
    ephemeral_storage: cdk.Size | None = None
    vpc: ec2.IVpc | None = None
    subnets: ec2.SubnetSelection | None = None
    security_groups: Sequence[ec2.ISecurityGroup] = ()


class FunctionRole:
    """The role of a function, or of all functions of a pool. Its policy is inline, so that the role is never there
    without it: an event source mapping checks it when it is made."""

    def __init__(self, scope: Construct, id: str, *, package: DeploymentPackage, service: str) -> None:
        self._policy = iam.PolicyDocument()
        self._logs: iam.PolicyStatement | None = None
        self.role = iam.Role(
            scope,
            id,
            description=f"Taskyard {package.config.environment}: {service}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"function": self._policy},
        )

    def allow_logs(self, group: logs.LogGroup) -> None:
        """Write to the log group of a function that has the role."""
        if self._logs is not None:
            self._logs.add_resources(group.log_group_arn)
            return
        self._logs = iam.PolicyStatement(
            sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.log_group_arn]
        )
        self.allow(self._logs)

    def allow(self, *statements: iam.PolicyStatement) -> None:
        """Wildcards that are accepted here are none to cdk-nag."""
        self._policy.add_statements(*statements)
        stack = cdk.Stack.of(self.role)
        for statement in statements:
            if reason := _ACCEPTED_WILDCARDS.get(statement.sid or ""):
                for resource in statement.resources:
                    finding = f"AwsSolutions-IAM5[Resource::{_name_in_findings(stack, resource)}]"
                    acknowledge(self.role, {finding: reason})


class Function(Construct):
    """A function with its own role, log group and variables.

    `service`: its name in logs and metrics. `folder`: its folder below functions/, by default that of the service's
    name: the handler of `dead-letter` is `functions.dead_letter.handler.handler`. `environment`: variables that
    infra/functions/variables.py describes. `statements`: all that its role may do besides writing to its log group.
    The key of what they allow is added.
    `name`: fixed for a function that others find by name; else CloudFormation names it. `pool`: whose code and packages
    it runs; None: those of all functions but the workers. `role`: of several functions; None: one of its own.
    `own_variables`: those of a pool's handlers. Raises ValueError.
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
        role: FunctionRole | None = None,
        own_variables: Mapping[str, str] | None = None,
        settings: FunctionSettings | None = None,
    ) -> None:
        super().__init__(scope, id)
        config = package.config
        settings = settings or FunctionSettings()
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
        role = role or FunctionRole(self, "Role", package=package, service=service)
        role.allow_logs(logs_group)
        role.allow(*statements, *package.encryption.allow_key(statements))
        self.variables = {**variables, **(own_variables or {})}
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=f"Taskyard {config.environment}: {service}",
            runtime=settings.runtime,
            architecture=settings.architecture,
            handler=f"functions.{(folder or service).replace('-', '_')}.handler.handler",
            # DeploymentPackage.deliver replaces it, and adds the layer.
            code=lambda_.Code.from_inline("not delivered"),
            role=role.role,
            log_group=logs_group,
            logging_format=lambda_.LoggingFormat.JSON,
            timeout=cdk.Duration.seconds(timeout_seconds),
            memory_size=memory,
            recursive_loop=lambda_.RecursiveLoop.ALLOW if recursive else None,
            environment=self.variables,
            reserved_concurrent_executions=settings.reserved_concurrency,
            layers=list(settings.layers),
            ephemeral_storage_size=settings.ephemeral_storage,
            vpc=settings.vpc,
            vpc_subnets=settings.subnets,
            security_groups=list(settings.security_groups) or None,
        )
        package.add(self, pool=pool)
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
