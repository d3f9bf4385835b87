"""Entry point of the workflow function: one step of a run's execution (the machine: infra/functions/run_machine.py)."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from functions.runtime import wiring
from functions.runtime.environment import WorkflowEnvironment
from functions.runtime.metrics import Metrics
from functions.workflow.run_steps import NotLandedError, RunSteps, StillRunningError

logger = logging.getLogger("taskyard.workflow")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: {step, tenant, run, round} and, for release, token and nth; for finish, outcome (events/workflow/).
    Raises an error when the state machine is to try again."""
    steps = services()
    # With these errors the first step waits for a record that is being written, and for nodes that still run.
    by_design = (NotLandedError, StillRunningError) if event["step"] == "start" else ()
    with steps.metrics.invocation("WorkflowErrors", by_design=by_design, clock=wiring.clock):
        run = (event["tenant"], event["run"], int(event["round"]))
        logger.info(event["step"], extra={"run": event["run"], "round": event["round"]})
        match event["step"]:
            case "start":
                steps.start(*run)
            case "release":
                # Executions that an older deployment started do not count their tries.
                steps.release(*run, token=event["token"], nth=int(event.get("nth", 0)))
            case "finish":
                if event["outcome"] == "broken":
                    # The machine gave up a step, which may have timed out or crashed each time, and counted nothing.
                    steps.metrics.count("WorkflowErrors")
                return steps.finish(*run, outcome=event["outcome"])
            case other:
                raise ValueError(f"unknown step {other!r}")
    return {}


@cache
def services() -> RunSteps:
    environment = WorkflowEnvironment(os.environ)
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return RunSteps(
        tasks=wiring.task_store(environment),
        runs=wiring.run_store(environment),
        documents=wiring.documents(environment, environment.document_bucket),
        consequences=wiring.consequences(environment),
        executions=wiring.executions(),
        metrics=Metrics(environment.name),
        clock=wiring.clock,
    )
