"""The JSON of the monitor, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict


class Lane(TypedDict):
    """Messages, approximately, as SQS counts them."""

    queued: int
    inFlight: int
    delayed: int


class Stats(TypedDict):
    states: Annotated[
        dict[str, int], Field(description="Tasks per stored state, some seconds old. A due task may be PENDING.")
    ]
    types: Annotated[dict[str, dict[str, int]], Field(description="Task type → state → tasks; zeros are left out.")]
    lanes: dict[str, Lane]
    oldestSeconds: Annotated[
        float | None,
        Field(
            description="How long the oldest waiting task has been due, among the 300 newest tasks; null: none waits."
        ),
    ]


class Health(TypedDict):
    status: Literal["ok"]
    environment: str
