"""The functions of a stack, as they are deployed: made from their specifications, with the fork servers they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local.aws.principals import Principals
from local.clock import Clock, VirtualTimers
from local.functions import layers
from local.functions.fork_server import ForkServer
from local.functions.function import Function
from local.template.intrinsics import ACCOUNT
from local.template.stack import FunctionSpec, Stack
from local.usage import Usage

# Service in a resource's type → its name in boto3. The fork server loads the models of these ahead.
_SERVICES = {
    "DynamoDB": "dynamodb",
    "SQS": "sqs",
    "S3": "s3",
    "Scheduler": "scheduler",
    "StepFunctions": "stepfunctions",
}


class DeployedFunctions(Mapping[str, Function]):
    """Functions by ARN. `endpoint`: of AWS."""

    def __init__(
        self,
        *,
        endpoint: str,
        principals: Principals,
        clock: Clock,
        timers: VirtualTimers,
        usage: Usage,
        directory: Path,
        report: Callable[[str], None],
    ) -> None:
        self._endpoint = endpoint
        self._principals = principals
        self._clock = clock
        self._timers = timers
        self._usage = usage
        self._directory = directory
        self._report = report
        self._functions: dict[str, Function] = {}
        self.fork_servers: dict[tuple[Path, ...], ForkServer] = {}

    def __getitem__(self, arn: str) -> Function:
        return self._functions[arn]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def by_label(self, label: str) -> Function:
        """Raises StopIteration."""
        return next(function for function in self.values() if function.spec.label == label)

    def make(self, stack: Stack) -> None:
        """Make the functions of the stack that are not there yet. Each starts a process ahead."""
        (self._directory / "logs").mkdir(parents=True, exist_ok=True)
        for spec in stack.functions.values():
            if spec.arn not in self._functions:
                function = self._functions[spec.arn] = self._make(spec, self._fork_server(stack, spec))
                function.prestart()

    def deploy(self, stack: Stack, spec: FunctionSpec) -> None:
        """Replace code and configuration of a function that is there."""
        self._functions[spec.arn].deploy(spec, self._fork_server(stack, spec))

    def close(self) -> None:
        for fork_server in self.fork_servers.values():
            fork_server.close()
        for function in self.values():
            function.close()

    def _make(self, spec: FunctionSpec, fork_server: ForkServer) -> Function:
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{spec.role.name}/{spec.name}"
        principal = self._principals.add(spec.label, arn, spec.role)
        return Function(
            spec,
            fork_server=fork_server,
            clock=self._clock,
            timers=self._timers,
            usage=self._usage,
            directory=self._directory,
            credentials={
                "AWS_ACCESS_KEY_ID": principal.access_key,
                "AWS_SECRET_ACCESS_KEY": principal.secret,
                "AWS_SESSION_TOKEN": "local",
                "AWS_ENDPOINT_URL": self._endpoint,
            },
            report=self._report,
        )

    def _fork_server(self, stack: Stack, spec: FunctionSpec) -> ForkServer:
        """One for all functions with the same layers."""
        if spec.layers not in self.fork_servers:
            kinds = {kind.split("::")[1] for _, kind in stack.active() if kind.startswith("AWS::")}
            services = {_SERVICES[kind] for kind in kinds if kind in _SERVICES}
            specs = stack.functions.values()
            if any("MAIL_FROM" in other.environment for other in specs):
                services.add("ses")
            self.fork_servers[spec.layers] = ForkServer(
                self._clock,
                layers=layers.layer_directories(spec.layers),
                roots=[other.root for other in specs if other.layers == spec.layers],
                services=services,
                directory=self._directory,
            )
        return self.fork_servers[spec.layers]
