"""Taskyard, in the order in which a task passes through it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import aws_cdk as cdk
import jsii
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IValidation

from .auth import Cognito
from .build.locations import APP
from .build.pools import DEFAULT_POOL, LANES, PoolError, PoolSource, StackAssets, build_pools, pool_faults
from .build.requirements import RequirementsError
from .build.routes import build_routes
from .build.schedules import check_schedules
from .config import BOUNDS, Config, DeploymentError, InvalidConfigError, Props, check_config, check_routes
from .encryption import Encryption
from .functions.api import Api
from .functions.dead_letter import DeadLetter
from .functions.declared_schedules import DeclaredSchedules
from .functions.function import DeploymentPackage, FunctionSettings
from .functions.notifier import Notifier
from .functions.observer import Observer
from .functions.producer import Producer
from .functions.shared_resources import SharedResources
from .functions.variables import VARIABLES
from .functions.worker import Workers
from .functions.workflow import Workflow
from .identity import Identity
from .max_running import LARGEST
from .monitoring import Monitoring
from .names import output, unique_name
from .place import check_place
from .pool import Pool, add_private_endpoints, python_version, seconds
from .resources.lanes import Lanes
from .resources.schedules import Schedules
from .resources.state_machines import StateMachines
from .resources.storage import Storage
from .resources.timers import Timers

SUBMIT_ROUTES = frozenset({"/tasks", "/tasks/batch", "/workflows"})


@jsii.implements(iam.IGrantable)
class Taskyard(Construct):
    """One deployment of Taskyard, in a stack of one's own.

        Taskyard(stack, "Tasks", environment="prod", tasks="orders.tasks", auth=[Iam()])

    `environment`: a dimension of its metrics, a field of its logs; of one deployment in an account and region. `tasks`:
    the package of the default pool's handlers, besides the built-in types; None: the built-in types alone.
    `requirements`: the file of that package's dependencies. `props`: see `infra.config.Config`.

    With the id `Default` names and logical ids are those of a stack that holds nothing else. Raises DeploymentError.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        tasks: str | None = None,
        requirements: str | Path | None = None,
        **props: Unpack[Props],
    ) -> None:
        super().__init__(scope, id)
        self.config = config = Config(environment=environment, name=unique_name(self), **props)
        check_config(config)
        check_place(self, config)
        routes = build_routes()
        check_routes(config, [f"{route.method} {route.path}" for route in routes])
        default_pool = PoolSource(
            name=DEFAULT_POOL,
            tasks=tasks,
            requirements=None if requirements is None else Path(requirements),
            lanes=tuple(lane.name for lane in config.lanes),
            timeout_seconds=config.worker_timeout_seconds,
        )
        self._sources = [default_pool]
        self._pools = Construct(self, "Pools")
        self._endpoints: dict[str, list[ec2.InterfaceVpcEndpoint]] = {}
        self._routes = routes
        self._assets: StackAssets | None = None
        self._handler_policy: iam.Policy | None = None

        encryption = Encryption(self, "Encryption", config=config)
        self._package = package = DeploymentPackage(self, "Bundle", config=config, encryption=encryption)
        storage = Storage(self, "Storage", config=config, encryption=encryption)
        lanes = Lanes(self, "Lanes", config=config, encryption=encryption)
        identity = None
        if isinstance(config.token_auth, Cognito):
            identity = Identity(
                self, "Identity", name=config.name, keep_data=config.keep_data, config=config.token_auth
            )
        self._shared = shared = SharedResources(
            config=config,
            package=package,
            storage=storage,
            lanes=lanes,
            timers=Timers(self, "Timers", lanes=lanes, encryption=encryption),
            machines=StateMachines(self, config=config),
            schedules=Schedules(self, "Schedules", config=config),
            identity=identity,
        )

        # A request becomes a wake-up in a lane, at once or by a timer, and a record in the table.
        self._api = api = Api(self, "Api", shared=shared, routes=routes)
        # So do the firings of a schedule, and submits without HTTP.
        self._producer = producer = Producer(self, "Producer", shared=shared)
        self._schedules = DeclaredSchedules(self, "DeclaredSchedules", shared=shared)
        # The lane's worker claims the task, runs and settles it.
        self._workers = workers = Workers(self, "Workers", shared=shared)
        # Step Functions starts and ends a workflow's run; its nodes release each other.
        workflow = Workflow(self, "Workflow", shared=shared)
        # The notifier delivers notifications, and retries for a day.
        notifier = Notifier(self, "Notifier", shared=shared)
        # The dead-letter function settles wake-ups that failed too often, or sends them again.
        self._dead_letter = dead_letter = DeadLetter(self, "DeadLetter", shared=shared)
        # The observer counts every change of a task.
        observer = Observer(self, "Observer", config=config, package=package, storage=storage)
        # Alarms and a dashboard watch all of it.
        self._monitoring = Monitoring(
            self,
            "Monitoring",
            shared=shared,
            api=api,
            workers=workers,
            dead_letter=dead_letter,
            observer=observer,
            workflow=workflow,
            producer=producer,
            notifier=notifier,
        )
        self._table = storage.table
        self._outputs()
        _apply_policies(self, config)
        # Pools may be added until the stack is synthesized.
        self.node.add_validation(AssetsDelivery(self))

    def pool(
        self,
        name: str,
        *,
        tasks: str,
        requirements: str | Path | None = None,
        memory: int = 1024,
        timeout: cdk.Duration | int = 60,
        max_running: int = 20,
        lanes: Literal[1, 3] = 1,
        environment: Mapping[str, str] | None = None,
        vpc: ec2.IVpc | None = None,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        private_endpoints: bool = False,
        layers: Sequence[lambda_.ILayerVersion] = (),
        ephemeral_storage: cdk.Size | None = None,
        architecture: lambda_.Architecture | None = None,
        runtime: lambda_.Runtime | None = None,
    ) -> Pool:
        """What runs the task types of the package `tasks` apart from all others: lanes, workers, role, dependencies.

        `requirements`: the file of its dependencies; None: those of Taskyard's functions. `memory`: MiB, 128 to 10,240.
        `timeout`: of the function, in seconds or a Duration, 15 to 900; an attempt has ten seconds less. `max_running`:
        tasks at once, 1 to 10,000; 1 is reserved concurrency, of which an account must have some left. `lanes`: 3 for
        high, normal and low priority, which divide `max_running`. `environment`: variables for its handlers.
        `private_endpoints`: adds to the VPC what the workers call, once for each VPC. `layers`: besides its own.
        `architecture`: arm64 by default. `runtime`: Python 3.13 by default. Raises DeploymentError.
        """
        if lanes not in (1, 3):
            raise InvalidConfigError(f"pool {name}: lanes is {lanes}: it must be 1 or 3, for high, normal and low")
        settings = FunctionSettings(
            runtime=runtime or lambda_.Runtime.PYTHON_3_13,
            architecture=architecture or lambda_.Architecture.ARM_64,
            layers=layers,
            ephemeral_storage=ephemeral_storage,
            vpc=vpc,
            subnets=subnets,
            security_groups=security_groups,
        )
        source = PoolSource(
            name=name,
            tasks=tasks,
            requirements=None if requirements is None else Path(requirements),
            lanes=(name,) if lanes == 1 else tuple(f"{name}-{band}" for band in LANES),
            timeout_seconds=seconds(timeout),
            architecture="arm64" if settings.architecture.name == "arm64" else "x86_64",
            runtime=python_version(settings.runtime),
            origin=origin(),
        )
        self._check_pool(source, memory=memory, max_running=max_running, environment=environment or {})
        self._sources.append(source)
        pool = Pool(
            self._pools,
            name,
            shared=self._shared,
            dead_letter=self._dead_letter,
            source=source,
            memory=memory,
            max_running=max_running,
            environment=environment or {},
            settings=settings,
        )
        self._package.set_variable("LANES", self._shared.lanes.as_json())
        self._monitoring.watch(pool)
        if vpc is not None and private_endpoints:
            if vpc.node.path not in self._endpoints:
                self._endpoints[vpc.node.path] = add_private_endpoints(vpc, subnets)
            for endpoint in self._endpoints[vpc.node.path]:
                endpoint.connections.allow_default_port_from(pool.connections)
        return pool

    def _check_pool(self, source: PoolSource, *, memory: int, max_running: int, environment: Mapping[str, str]) -> None:
        """Raises DeploymentError with the first fault, before anything is made."""
        if self._assets is not None:
            raise InvalidConfigError(f"{source.place}: the stack is synthesized already: add the pool before")
        for fault in pool_faults([*self._sources, source]):
            raise PoolError(fault)
        for name, value, bounds in (
            ("memory", memory, BOUNDS["worker_memory"]),
            ("timeout", source.timeout_seconds, BOUNDS["worker_timeout_seconds"]),
            ("max_running", max_running, (len(source.lanes), LARGEST, "event sources, and a lane has at least one")),
        ):
            least, most, reason = bounds
            if not least <= value <= most:
                raise PoolError(f"{source.place}: {name} is {value}: it must be {least} to {most} ({reason})")
        for variable in environment:
            if variable in VARIABLES or variable.startswith(("AWS_", "LAMBDA_")):
                raise PoolError(
                    f"{source.place}: environment: {variable} is set by Taskyard or Lambda: take another name"
                )

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """Of the handlers of the default pool: `bucket.grant_read(yard)`. Its lanes have a role each, and one policy in
        common for what the app grants."""
        if self._handler_policy is None:
            roles = [role for worker in self._workers.workers if (role := worker.function.function.role)]
            self._handler_policy = iam.Policy(self, "HandlerPolicy", roles=roles)
        return self._handler_policy.grant_principal

    def grant_submit(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role submit tasks and workflows: by the IAM API, where there is one (docs/security.md says as which
        tenant, and with which role), and by invoking the producer function, which asks for neither."""
        producer = self._producer.function
        resources = [producer.arn]
        if self._api.iam:
            api, stack = self._api.iam.api, cdk.Stack.of(self)
            resources += [
                stack.format_arn(
                    service="execute-api",
                    resource=api.api_id,
                    resource_name=f"$default/{route.method}{route.path}",
                )
                for route in self._routes
                if route.method == "POST" and route.path in SUBMIT_ROUTES
            ]
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=["execute-api:Invoke", "lambda:InvokeFunction"], resource_arns=resources
        )

    @property
    def api_url(self) -> str:
        """Where requests are sent: to the JWT API, with a token, where there is one; else to the IAM API, signed."""
        return self._api.http_apis[0].api.api_endpoint

    @property
    def iam_api_url(self) -> str | None:
        """Where signed requests are sent; None where there is no IAM API."""
        return self._api.iam.api.api_endpoint if self._api.iam else None

    @property
    def table(self) -> dynamodb.Table:
        """The table of all records. Its items are no interface: read them by the API."""
        return self._table

    @property
    def dashboard(self) -> cw.Dashboard | None:
        """None where the prop `dashboard` is False."""
        return self._monitoring.dashboard

    def schedule(
        self,
        name: str,
        *,
        task: Mapping[str, Any] | None = None,
        workflow: Mapping[str, Any] | None = None,
        cron: str | None = None,
        rate: str | None = None,
        timezone: str | None = None,
        start_at: str | None = None,
        end_at: str | None = None,
        overlap: Literal["allow", "skip"] | None = None,
        catch_up: Literal["none", "last"] | None = None,
        paused: bool | None = None,
        tenant: str | None = None,
    ) -> None:
        """Declare a schedule: a deployment makes it, changes it, and deletes it once it is not declared any more.

        `task` or `workflow`: as in POST /tasks and POST /workflows. `cron`: five fields as in Unix; or `rate`:
        `5 minutes`. `timezone`: an IANA name; None: UTC. `start_at`, `end_at`: ISO 8601 with an offset. `overlap`,
        `catch_up`: docs/schedules.md. `paused`: None leaves a pause by the API alone. `tenant`: whose schedule it is;
        None: the tenant of the account. Raises DeploymentError; what only the functions can check is an error of the
        synthesis.
        """
        fields = {
            "name": name,
            "task": task,
            "workflow": workflow,
            "cron": cron,
            "rate": rate,
            "timezone": timezone,
            "startAt": start_at,
            "endAt": end_at,
            "overlap": overlap,
            "catchUp": catch_up,
            "paused": paused,
        }
        given = {field: value for field, value in fields.items() if value is not None}
        self._schedules.add(name, given, tenant=tenant)

    def deliver(self) -> None:
        """Build the code and the packages of all pools, and give them to the functions: the last act before a template
        is written, which the synthesis does itself; once. Raises DeploymentError, RequirementsError."""
        if self._assets is not None:
            return
        self._assets = build_pools(self._sources)
        check_schedules(
            self._schedules.definitions,
            code=self._assets.functions.code.path,
            worker_seconds=self.config.worker_timeout_seconds,
            webhook_reach=self.config.webhook_reach,
        )
        self._package.deliver(self._assets)
        options = cdk.Stack.of(self).template_options
        options.metadata = {**(options.metadata or {}), "Bytecode": self._assets.functions.bytecode}

    def _outputs(self) -> None:
        """A contract: names are kept. docs/own-tasks.md lists them."""
        api, producer = self._api, self._producer
        output(
            self,
            "ApiUrl",
            value=self.api_url,
            description="Where requests are sent, with a token" if api.jwt else "Where requests are sent, signed",
        )
        if self.iam_api_url:
            output(self, "IamApiUrl", value=self.iam_api_url, description="Where requests are sent, signed")
        if api.issuer:
            output(self, "Issuer", value=api.issuer, description="Who issues the tokens of the API")
        output(
            self,
            "ProducerFunction",
            value=producer.function.function.function_name,
            description="Invoked to submit without HTTP",
        )
        output(self, "TableName", value=self._table.table_name)
        if self.dashboard:
            output(self, "DashboardName", value=self._monitoring.dashboard_name)


def origin() -> str:
    """The file and the line of the app that called, `app.py:12`; an absolute path outside of the app's folder."""
    here = Path(__file__).parent
    for frame in inspect.stack(context=0):
        path = Path(frame.filename)
        if not path.is_relative_to(here) and path.suffix == ".py" and "jsii" not in path.parts:
            return f"{path.relative_to(APP) if path.is_relative_to(APP) else path}:{frame.lineno}"
    return ""


@jsii.implements(IValidation)
class AssetsDelivery:
    """Delivers what is deployed when a stack is synthesized: the one moment that comes after the last pool. What is
    wrong is an error of the synthesis."""

    def __init__(self, taskyard: Taskyard) -> None:
        self._taskyard = taskyard

    def validate(self) -> list[str]:
        try:
            self._taskyard.deliver()
        except (DeploymentError, RequirementsError) as error:
            return [str(error)]
        return []


def _apply_policies(scope: Construct, config: Config) -> None:
    """What a company asks of everything that is made."""
    if config.permissions_boundary is not None:
        iam.PermissionsBoundary.of(scope).apply(config.permissions_boundary)
    for name, value in config.tags.items():
        cdk.Tags.of(scope).add(name, value)
