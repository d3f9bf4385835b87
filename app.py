"""The app of this repository: a stack with one Taskyard for each environment of environments.py.

By hand: `python app.py --env prod [--out DIR]`. As the CDK CLI runs it: `cdk deploy -c env=prod`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from environments import ENVIRONMENTS, stack_name
from infra.synthesis import run

if TYPE_CHECKING:
    import aws_cdk as cdk


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
