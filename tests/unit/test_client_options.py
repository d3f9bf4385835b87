"""The options of requests: each stands once for both clients and the producer, and none is dropped unseen."""

from __future__ import annotations

import httpx
import pytest
from taskyard import Producer, TaskSpec, Taskyard
from taskyard.api import dead_letters
from taskyard.api.schedules import calls as schedules
from taskyard.api.tasks import bulk_cancel
from taskyard.api.tasks import calls as tasks
from taskyard.api.workflows import calls as workflows

from tests.unit.client_fake import URL


def test_unknown_option_is_refused() -> None:
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


def test_every_option_has_a_type_and_a_request_field() -> None:
    arguments = {"type", "payload", "idempotency_key"}
    assert tasks.TASK_FIELDS.keys() == tasks.TaskOptions.__annotations__.keys() | arguments
    assert tasks.TASK_FIELDS.keys() == TaskSpec.__dataclass_fields__.keys()
    for options, field_map in (
        (workflows.WorkflowOptions, workflows.WORKFLOW_FIELDS),
        (schedules.ScheduleOptions, schedules.SCHEDULE_FIELDS),
        (dead_letters.DeadLetterFilter, dead_letters.DEAD_LETTER_FIELDS),
        (dead_letters.RedriveOptions, dead_letters.REDRIVE_FIELDS),
        (bulk_cancel.CancelFilter, bulk_cancel.CANCEL_FIELDS),
    ):
        assert options.__annotations__.keys() == field_map.keys()
