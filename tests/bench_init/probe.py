"""What one cold start costs. A script: run in a fresh interpreter that knows nothing of this project but PYTHONPATH.

    probe.py boto3                               import boto3; boto3.client("dynamodb")
    probe.py functions.worker.handler.handler    the module, its first client, all that it puts together, a first task
    probe.py functions.worker.handler.handler --init    no further than the first client

Prints JSON: stage → [wall ms, CPU ms] since the first line of this script, and how many modules are imported.
"""

import sys
import time

WALL, CPU = time.perf_counter_ns(), time.process_time_ns()
STAGES: dict[str, list[float]] = {}


def passed(stage: str) -> None:
    STAGES[stage] = [(time.perf_counter_ns() - WALL) / 1e6, (time.process_time_ns() - CPU) / 1e6]


def baseline() -> None:
    import boto3

    passed("import")
    boto3.client("dynamodb")
    passed("init")


def function(handler: str) -> None:
    import importlib

    module = importlib.import_module(handler.rpartition(".")[0])
    passed("import")
    from functions.aws.clients import client

    client("dynamodb")
    passed("init")
    if "--init" in sys.argv:
        return
    parts = module.services()
    if handler.startswith("functions.api."):
        # What reading and submitting are done with; built when the first request of the kind comes.
        _ = parts.tasks
    passed("assembled")
    if handler.startswith("functions.worker."):
        first_task()
        passed("first task")
    if handler.startswith("functions.api."):
        first_submit(parts)
        passed("first task")


def first_task() -> None:
    """The task types read, one handler imported, one payload parsed."""
    from functions.runtime import wiring

    wiring.registry().find("DELAYED_MESSAGE").parse({"message": "hello"})


def first_submit(parts) -> None:  # type: ignore[no-untyped-def]
    """The body of a submit checked against its model and its type's, every part that a submit uses built."""
    submission = parts.submission
    from functions.intake.task_requests import SUBMIT_ALIASES, Limits, SubmitTask, parse

    body = {"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}
    parsed = parse(SubmitTask, body, SUBMIT_ALIASES, Limits(1_770_000_000_000, 50))
    if parsed.errors:
        raise SystemExit(f"the probe's own body is refused: {parsed.errors}")
    submission.registry().find("DELAYED_MESSAGE").parse(body["payload"])


if __name__ == "__main__":
    if sys.argv[1] == "boto3":
        baseline()
    else:
        function(sys.argv[1])
    print('{"stages": ' + str(STAGES).replace("'", '"') + f', "modules": {len(sys.modules)}}}')
