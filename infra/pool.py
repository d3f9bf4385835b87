"""A pool besides the default one: its lanes with their workers, one role, and what it reaches in a VPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from .build.pools import PoolSource
from .config import LaneConfig, visibility_seconds
from .functions.dead_letter import DeadLetter
from .functions.function import FunctionRole, FunctionSettings
from .functions.shared_resources import SharedResources
from .functions.worker import Worker, WorkerSettings, worker_statements
from .max_running import concurrencies

TOLERATED_WAIT_SECONDS = 300
"""A due task may wait so long in a lane of a pool before the alarm."""
_ENDPOINTS = ("sqs", "scheduler", "states", "secretsmanager", "lambda")
"""Services that a worker calls besides DynamoDB and S3. Lambda itself writes the logs, outside of the VPC."""
_NETWORK_ACTIONS = (
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "UnassignPrivateIpAddresses",
)


@jsii.implements(iam.IGrantable, ec2.IConnectable)
class Pool(Construct):
    """Grants to it are grants to its role, which the functions of all its lanes have: `bucket.grant_read(images)`.

    `source`: what it runs. `max_running`: tasks at once, over all lanes.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        shared: SharedResources,
        dead_letter: DeadLetter,
        source: PoolSource,
        memory: int,
        max_running: int,
        environment: Mapping[str, str],
        settings: FunctionSettings,
    ) -> None:
        super().__init__(scope, id)
        self.name = source.name
        self._security_groups = self._own_security_groups(settings)
        limits = concurrencies(max_running, lanes=len(source.lanes))
        lanes = [
            shared.lanes.add(
                self,
                LaneConfig(name=name, max_concurrency=limit.invocations, tolerated_wait_seconds=TOLERATED_WAIT_SECONDS),
                visibility_seconds=visibility_seconds(source.timeout_seconds),
            )
            for name, limit in zip(source.lanes, limits, strict=True)
        ]
        role = FunctionRole(self, "Role", package=shared.package, service=f"pool {source.name}")
        statements = worker_statements(self, shared=shared, lanes=lanes)
        role.allow(*statements, *shared.package.encryption.allow_key(statements))
        if settings.vpc:
            actions = [f"ec2:{action}" for action in _NETWORK_ACTIONS]
            role.allow(iam.PolicyStatement(sid="Vpc", actions=actions, resources=["*"]))
        self.role = role.role
        self.workers = tuple(
            Worker(
                self,
                f"{lane.name}-worker",
                shared=shared,
                lane=lane,
                settings=WorkerSettings(
                    pool=source.name, timeout_seconds=source.timeout_seconds, memory=memory, variables=environment
                ),
                batch_size=limit.batch_size,
                role=role,
                function_settings=FunctionSettings(
                    runtime=settings.runtime,
                    architecture=settings.architecture,
                    reserved_concurrency=1 if limit.is_reserved else None,
                    layers=settings.layers,
                    ephemeral_storage=settings.ephemeral_storage,
                    vpc=settings.vpc,
                    subnets=settings.subnets,
                    security_groups=self._security_groups,
                ),
            )
            for lane, limit in zip(lanes, limits, strict=True)
        )
        for lane in lanes:
            dead_letter.consume(lane, scope=self, id=f"{lane.name}-dead-letter-source")

    @property
    def functions(self) -> tuple[lambda_.Function, ...]:
        """The worker function of each lane."""
        return tuple(worker.function.function for worker in self.workers)

    @property
    def grant_principal(self) -> iam.IPrincipal:
        return self.role

    @property
    def connections(self) -> ec2.Connections:
        """What may reach what in the VPC: `database.connections.allow_default_port_from(reports)`. Raises ValueError
        for a pool that is in none."""
        if not self._security_groups:
            raise ValueError(f"the pool {self.name} is in no VPC: give it one, vpc=…")
        return ec2.Connections(security_groups=list(self._security_groups))

    def _own_security_groups(self, settings: FunctionSettings) -> Sequence[ec2.ISecurityGroup]:
        """Those that are given, or one for all lanes, which may call anything and be called by nothing."""
        if settings.vpc is None or settings.security_groups:
            return tuple(settings.security_groups)
        group = ec2.SecurityGroup(self, "SecurityGroup", vpc=settings.vpc, description=f"Taskyard pool {self.name}")
        return (group,)


def add_private_endpoints(vpc: ec2.IVpc, subnets: ec2.SubnetSelection | None) -> list[ec2.InterfaceVpcEndpoint]:
    """What a worker needs in a VPC without a way out: free gateways to DynamoDB and S3, and an interface, paid by the
    hour and Availability Zone, to each other service that it calls. Nobody may use the interfaces yet."""
    gateways = {"DynamoDb": ec2.GatewayVpcEndpointAwsService.DYNAMODB, "S3": ec2.GatewayVpcEndpointAwsService.S3}
    for name, gateway in gateways.items():
        vpc.add_gateway_endpoint(f"Taskyard{name}", service=gateway)
    return [
        vpc.add_interface_endpoint(
            f"Taskyard{name.title()}", service=ec2.InterfaceVpcEndpointAwsService(name), subnets=subnets, open=False
        )
        for name in _ENDPOINTS
    ]


def python_version(runtime: lambda_.Runtime) -> tuple[int, int]:
    """(3, 13) of `python3.13`. Raises ValueError for a runtime that is no Python."""
    if not runtime.name.startswith("python3."):
        raise ValueError(f"runtime: a Python, such as Runtime.PYTHON_3_13, not {runtime.name}")
    return 3, int(runtime.name.removeprefix("python3."))


def seconds(timeout: cdk.Duration | int) -> int:
    return timeout if isinstance(timeout, int) else int(timeout.to_seconds())
