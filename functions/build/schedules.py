"""`python -m functions.build.schedules FILE TASK_TYPES SECONDS REACH`: checks declared schedules as a deployment would.

FILE holds a JSON object: name → body of POST /schedules. TASK_TYPES is a task-types.json, SECONDS
the time-out of the default pool's worker, REACH the setting `webhook_reach`. Prints a line for each
schedule that is not valid, and exits with 1 when there is one. Run before a stack is synthesized
(infra/build/schedules.py). The deployed functions never import this.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from functions.core.errors import TaskyardError
from functions.core.task_types import Registry
from functions.core.webhooks.addresses import Reach
from functions.runtime.environment import WORKER_MARGIN_SECONDS

TENANT = "any"


def faults(
    definitions: Mapping[str, Mapping[str, Any]],
    registry: Registry,
    *,
    timeout_limit: int,
    webhook_reach: Reach,
    now: int,
) -> Iterator[str]:
    """`timeout_limit`: seconds of an attempt. `now`: epoch ms."""
    schedules = validation(registry, timeout_limit=timeout_limit, webhook_reach=webhook_reach)
    for name, definition in definitions.items():
        try:
            schedules.check_declaration(TENANT, definition, now=now)
        except TaskyardError as error:
            yield f"schedule {name!r}: {error}"


def validation(registry: Registry, *, timeout_limit: int, webhook_reach: Reach) -> Any:
    """The use cases of schedules, for their validation: it reads the task types, and none of what AWS has."""
    from functools import partial

    from functions.core.pools import Routing
    from functions.intake.schedule_templates import TemplateValidation
    from functions.intake.schedules import Schedules
    from functions.intake.submission import Submission
    from functions.intake.workflow_submission import WorkflowSubmission
    from functions.runtime.dispatch import Dispatcher

    absent: Any = None
    routing = Routing((), lambda: registry)
    submission = Submission(
        tasks=absent,
        documents=absent,
        dispatcher=Dispatcher(absent, absent, routing),
        consequences=absent,
        registry=lambda: registry,
        timeout_limit=timeout_limit,
        webhook_reach=webhook_reach,
    )
    workflows = partial(
        WorkflowSubmission,
        runs=absent,
        documents=absent,
        executions=absent,
        machine_arn="",
        registry=lambda: registry,
        timeout_limit=timeout_limit,
        routing=routing,
        webhook_reach=webhook_reach,
    )
    return Schedules(
        schedules=absent,
        scheduler=absent,
        submission=submission,
        templates=TemplateValidation(submission=submission, workflows=workflows),
        firing=absent,
        documents=absent,
        clock=absent,
    )


def main(file: str, task_types: str, seconds: str, reach: Reach) -> int:
    lines = list(
        faults(
            json.loads(Path(file).read_text()),
            Registry.from_json(Path(task_types).read_text()),
            timeout_limit=int(seconds) - WORKER_MARGIN_SECONDS,
            webhook_reach=reach,
            now=round(time.time() * 1000),
        )
    )
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))  # type: ignore[arg-type]  # the configuration has one of the three words
