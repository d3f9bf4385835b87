"""The stack, in the order in which a task passes through it."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from constructs import Construct

from .auth import Cognito
from .build.assets import Assets
from .build.routes import ApiRoute
from .config import Config
from .encryption import Encryption
from .functions.api import Api
from .functions.dead_letter import DeadLetter
from .functions.function import DeploymentPackage
from .functions.notifier import Notifier
from .functions.observer import Observer
from .functions.producer import Producer
from .functions.shared_resources import SharedResources
from .functions.worker import Workers
from .functions.workflow import Workflow
from .identity import Identity
from .monitoring import Monitoring
from .resources.lanes import Lanes
from .resources.schedules import Schedules
from .resources.state_machines import StateMachines
from .resources.storage import Storage
from .resources.timers import Timers


class TaskyardStack(cdk.Stack):
    """One deployment of Taskyard. It has no account or region: the credentials decide."""

    def __init__(self, scope: Construct, *, config: Config, assets: Assets, routes: Sequence[ApiRoute]) -> None:
        super().__init__(scope, config.stack_name, description=f"Taskyard {config.environment}: background tasks")
        self.template_options.metadata = {"Bytecode": assets.bytecode}

        encryption = Encryption(self, "Encryption", config=config)
        package = DeploymentPackage(self, "Bundle", config=config, assets=assets, encryption=encryption)
        storage = Storage(self, "Storage", config=config, encryption=encryption)
        lanes = Lanes(self, "Lanes", config=config, encryption=encryption)
        identity = None
        if isinstance(config.token_auth, Cognito):
            identity = Identity(
                self,
                "Identity",
                environment=config.environment,
                keep_data=config.keep_data,
                config=config.token_auth,
            )
        shared = SharedResources(
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
        api = Api(self, "Api", shared=shared, routes=routes)
        # So do the firings of a schedule, and submits without HTTP.
        producer = Producer(self, "Producer", shared=shared)
        # The lane's worker claims the task, runs and settles it.
        workers = Workers(self, "Workers", shared=shared)
        # Step Functions starts and ends a workflow's run; its nodes release each other.
        workflow = Workflow(self, "Workflow", shared=shared)
        # The notifier delivers notifications, and retries for a day.
        notifier = Notifier(self, "Notifier", shared=shared)
        # The dead-letter function settles wake-ups that failed too often, or sends them again.
        dead_letter = DeadLetter(self, "DeadLetter", shared=shared)
        # The observer counts every change of a task.
        observer = Observer(self, "Observer", config=config, package=package, storage=storage)
        # Alarms and a dashboard watch all of it.
        monitoring = Monitoring(
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

        cdk.CfnOutput(
            self,
            "ApiUrl",
            value=api.http_apis[0].api.api_endpoint,
            description="Where requests are sent, with a token" if api.jwt else "Where requests are sent, signed",
        )
        if api.iam:
            cdk.CfnOutput(
                self, "IamApiUrl", value=api.iam.api.api_endpoint, description="Where requests are sent, signed"
            )
        if api.issuer:
            cdk.CfnOutput(self, "Issuer", value=api.issuer, description="Who issues the tokens of the API")
        cdk.CfnOutput(
            self,
            "ProducerFunction",
            value=producer.function.function.function_name,
            description="Invoked to submit without HTTP",
        )
        cdk.CfnOutput(self, "TableName", value=storage.table.table_name)
        cdk.CfnOutput(self, "DashboardName", value=monitoring.dashboard_name)
