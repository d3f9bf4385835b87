"""The run machine in the Amazon States Language. No CDK here: tests/simulation/ runs this definition."""

from __future__ import annotations

from typing import Any

# Time-out of the workflow function: a run of 10,000 nodes is some 20,000 writes, 16 at once.
TIMEOUT_SECONDS = 900
# Errors of Lambda itself, and of our code when AWS throttles it: a retry may succeed.
_RETRY_TRANSIENT: dict[str, Any] = {
    "ErrorEquals": ["States.TaskFailed", "Lambda.Unknown", "Lambda.TooManyRequestsException"],
    "IntervalSeconds": 2,
    "MaxAttempts": 6,
    "BackoffRate": 2,
    "JitterStrategy": "FULL",
}
# 1 + 2 + … + 64 s: longer than the api may take between starting the execution and writing the run's record.
_RETRY_NOT_LANDED: dict[str, Any] = {
    "ErrorEquals": ["NotLandedError"],
    "IntervalSeconds": 1,
    "MaxAttempts": 7,
    "BackoffRate": 2,
}
_RETRY_STILL_RUNNING: dict[str, Any] = {
    "ErrorEquals": ["StillRunningError"],
    "IntervalSeconds": 10,
    "MaxAttempts": 60,
    "BackoffRate": 1,
}


def definition(function_arn: str, *, partition: str) -> dict[str, Any]:
    """Input: {tenant, run, round, deadlineSeconds}. Four or five transitions, whatever the DAG. `partition`: of AWS,
    which is not `aws` in China and in GovCloud."""
    invoke = f"arn:{partition}:states:::lambda:invoke"

    def step(name: str, **more: str) -> dict[str, Any]:
        payload = {"tenant.$": "$.tenant", "run.$": "$.run", "round.$": "$.round", "step": name, **more}
        return {"FunctionName": function_arn, "Payload": payload}

    return {
        "Comment": "A workflow's run. The nodes release each other; this owns the deadline, the retries and the end.",
        "StartAt": "Start",
        "States": {
            "Start": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": step("start"),
                # Not null: CDK drops null values, and the result would then replace the input.
                "ResultPath": "$.started",
                "Retry": [_RETRY_NOT_LANDED, _RETRY_STILL_RUNNING, _RETRY_TRANSIENT],
                "Catch": [
                    {"ErrorEquals": ["NotLandedError"], "ResultPath": "$.error", "Next": "NeverAccepted"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Broken"},
                ],
                "Next": "Run",
            },
            "Run": {
                "Type": "Task",
                "Resource": f"{invoke}.waitForTaskToken",
                "Parameters": step("release", **{"token.$": "$$.Task.Token", "nth.$": "$$.State.RetryCount"}),
                "TimeoutSecondsPath": "$.deadlineSeconds",
                "ResultPath": "$.end",
                "Retry": [_RETRY_TRANSIENT],
                "Catch": [
                    {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "DeadlinePassed"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Broken"},
                ],
                "Next": "Finish",
            },
            "DeadlinePassed": {
                "Type": "Pass",
                "Result": {"outcome": "timeout"},
                "ResultPath": "$.end",
                "Next": "Finish",
            },
            "Broken": {"Type": "Pass", "Result": {"outcome": "broken"}, "ResultPath": "$.end", "Next": "Quiet"},
            # A step that timed out may still run. Wait for it, so that Finish sees all the nodes that it writes.
            "Quiet": {"Type": "Wait", "Seconds": TIMEOUT_SECONDS + 30, "Next": "Finish"},
            "Finish": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": step("finish", **{"outcome.$": "$.end.outcome"}),
                "OutputPath": "$.Payload",
                "Retry": [{**_RETRY_TRANSIENT, "MaxAttempts": 12}],
                "End": True,
            },
            "NeverAccepted": {
                "Type": "Fail",
                "Error": "NeverAccepted",
                "Cause": "The submit died before the run's record was written; nobody was told that it was accepted.",
            },
        },
    }
