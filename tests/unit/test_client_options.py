"""The options of requests: each stands once for both clients and the producer, and none is dropped unseen."""

from __future__ import annotations

import httpx
import pytest
from taskyard import Producer, TaskSpec, Taskyard, options

from tests.unit.client_fake import URL


def test_an_option_that_there_is_not_is_refused_not_dropped() -> None:
    yard = Taskyard(URL, "none", transport=httpx.MockTransport(lambda request: httpx.Response(500)))
    for call in (
        lambda: yard.submit("X", notfy=[]),  # type: ignore[call-arg]
        lambda: Producer("producer").submit("X", delays=1),  # type: ignore[call-arg]
        lambda: yard.workflows.submit({"a": {"type": "X"}}, deadlin=1),  # type: ignore[call-arg]
        lambda: yard.schedules.create({"type": "X"}, rate="1 hour", overlaps="skip"),  # type: ignore[call-arg]
        lambda: yard.redrive(errortype="X"),  # type: ignore[call-arg]
        lambda: next(yard.dead_letters(kind="X")),  # type: ignore[call-arg]
        lambda: yard.cancel_many(tag={"a": "b"}),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            call()


def test_each_option_has_a_type_and_a_name_on_the_wire() -> None:
    own = {"type", "payload", "idempotency_key"}
    assert options.TASK.keys() == options.TaskOptions.__annotations__.keys() | own
    assert options.TASK.keys() == TaskSpec.__dataclass_fields__.keys()
    for typed, wire in (
        (options.WorkflowOptions, options.WORKFLOW),
        (options.ScheduleOptions, options.SCHEDULE),
        (options.LetterFilter, options.LETTERS),
        (options.RedriveOptions, options.REDRIVE),
        (options.CancelFilter, options.CANCEL),
    ):
        assert typed.__annotations__.keys() == wire.keys()
