"""The app of this repository: a stack with one Taskyard for each of its environments, `dev` and `prod`.

By hand: `python app.py --env prod [--out DIR]`. As the CDK CLI runs it: `cdk deploy -c env=prod`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from infra import Cognito, Config, Iam, LaneConfig, Props
from infra.synthesis import run

if TYPE_CHECKING:
    import aws_cdk as cdk

# Props of `Taskyard`. All that differs between the environments is here.
ENVIRONMENTS: Mapping[str, Props] = MappingProxyType(
    {
        "dev": Props(
            lanes=(
                # 7 of the 10 invocations at once that a new account may have: the other functions keep the rest.
                LaneConfig(name="high", max_concurrency=2, tolerated_wait_seconds=60),
                LaneConfig(name="normal", max_concurrency=3, tolerated_wait_seconds=300),
                LaneConfig(name="low", max_concurrency=2, tolerated_wait_seconds=3600),
            ),
            retention_days=7,
            audit_retention_days=30,
            log_retention_days=7,
            auth=(Iam(), Cognito()),
            mail_from="taskyard@example.com",
            mail_senders=("no-reply@example.com",),
            webhook_reach="any",
            webhook_secrets="taskyard/dev/webhooks",
            keep_data=False,
        ),
        "prod": Props(
            lanes=(
                # 600 of the default of 1,000 invocations at once: the other functions keep the rest. A new account may
                # have 10: ask for more before the first deployment (docs/operations.md).
                LaneConfig(name="high", max_concurrency=200, tolerated_wait_seconds=60),
                LaneConfig(name="normal", max_concurrency=300, tolerated_wait_seconds=300),
                LaneConfig(name="low", max_concurrency=100, tolerated_wait_seconds=3600),
            ),
            worker_timeout_seconds=300,
            worker_memory=1024,
            throttle_rate=2000,
            throttle_burst=4000,
            listing_shards=8,
            observer_batch=500,
            observer_window_seconds=10,
            auth=(Iam(), Cognito()),
            mail_from="taskyard@example.com",
            webhook_secrets="taskyard/prod/webhooks",
            customer_key=True,
        ),
    }
)


def stack_name(environment: str) -> str:
    return f"Taskyard-{environment}"


CONFIGS: Mapping[str, Config] = MappingProxyType(
    {name: Config(environment=name, name=stack_name(name), **props) for name, props in ENVIRONMENTS.items()}
)
"""What `Taskyard` makes of them, for what calculates with their values: the model, the simulation, the idle bill."""


def build(app: cdk.App, environment: str) -> None:
    # Here, as they take seconds and a Node process, which an unchanged template needs not.
    import aws_cdk as cdk

    from infra import Taskyard

    stack = cdk.Stack(app, stack_name(environment), description=f"Taskyard {environment}: background tasks")
    Taskyard(stack, "Default", environment=environment, **ENVIRONMENTS[environment])


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    return run(build, argv, environ, environments=ENVIRONMENTS, stack_name=stack_name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
