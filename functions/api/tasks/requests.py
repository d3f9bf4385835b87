"""Bodies of POST /tasks/batch and POST /tasks/cancel, as pydantic models; examples of bodies for /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from functions.api.tasks.batch import MAX_TASKS
from functions.api.validation import Name
from functions.intake.task_requests import Request, SubmitTask, TagKey, TagValue, TaskId


class SubmitBatch(Request):
    """Up to a thousand tasks, each accepted or refused by itself."""

    # For /openapi.json only: batch.py validates each task, and an invalid one does not make the batch invalid.
    tasks: Annotated[list[SubmitTask], Field(min_length=1, max_length=MAX_TASKS)] = Field(
        description="Each as in POST /tasks. An invalid one is refused by itself; the others are accepted. They cannot "
        "depend on each other: a workflow's nodes can."
    )


def _is_given(name: str, json_type: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": json_type}}}


class CancelTasks(Request):
    """Which of the tasks that have not started are cancelled: by ids, or by a filter of at least one field."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _is_given("ids", "array"),
                {"anyOf": [_is_given("type", "string"), _is_given("state", "string"), _is_given("tags", "object")]},
            ]
        }
    )

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=1000)] | None = None
    type: Name | None = None
    state: Literal["PENDING", "READY", "RETRY", "BLOCKED"] | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(min_length=1, max_length=20)] | None = Field(
        None, description="All of these, with these values."
    )
    dry_run: bool = Field(False, description="Only count what would be cancelled.")
    reason: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Kept on each task that is cancelled."
    )
    cursor: str | None = Field(None, description="Goes on where a request before stopped.")


SUBMIT_EXAMPLES: dict[str, dict[str, Any]] = {
    "orchestration": {
        "type": "SEND_EMAIL",
        "payload": {
            "to": "user@example.com",
            "subject": "Welcome to Our Platform!",
            "content": "<h1>Hello John!</h1><p>Welcome to our platform. Please click the link below to activate your "
            "account:</p><a href='https://example.com/activate?token=abc123'>Activate Account</a>",
            "from": "no-reply@example.com",
        },
        "runAt": "2026-02-01T10:00:00.000Z",
        "availableAt": "2026-02-01T10:00:00.000Z",
    },
    "distributed": {
        "type": "email",
        "payload": {"to": "user@example.com", "subject": "Welcome"},
        "delaySeconds": 60,
        "retries": 3,
        "dependencies": [],
    },
    "background": {
        "type": "welcome-email",
        "payload": {
            "email": "Albert@example.com",
            "name": "Albert",
            "message": "Congratulations! Your background job system is live.",
        },
    },
    "sql": {
        "task_name": "DELAYED_MESSAGE",
        "payload": {"message": "hello"},
        "scheduled_at": "2026-02-01T10:00:00Z",
        "priority": 5,
        "max_retries": 3,
    },
}
BATCH_EXAMPLES = {"two": {"tasks": [SUBMIT_EXAMPLES["distributed"], SUBMIT_EXAMPLES["sql"]]}}
