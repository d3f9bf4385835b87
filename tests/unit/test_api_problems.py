"""Each error becomes one problem document (RFC 9457), and an error that nobody foresaw tells nothing."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

import pytest

from functions.core import errors
from functions.core.errors import (
    ChangedMeanwhile,
    FieldError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    StoreUnavailable,
    TaskyardError,
)
from functions.core.identity import errors as identity_errors
from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant, SeveralTenants, WrongTokenUse
from functions.core.roles import Role
from functions.intake import problems
from functions.intake.principal import InvokerUnknown, NoIdentity


@pytest.mark.parametrize("module", [errors, identity_errors])
def test_every_error_of_the_core_has_its_problem(module: ModuleType) -> None:
    raised = {
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, TaskyardError) and kind is not TaskyardError
    }
    assert raised <= {key if isinstance(key, type) else key[0] for key in problems.PROBLEM_TYPES}


@pytest.mark.parametrize(
    ("error", "slug", "fields"),
    [
        (NotFound("task", "t"), "task-not-found", {}),
        (NotFound("workflow", "w"), "workflow-not-found", {}),
        (NotFound("schedule", "s"), "schedule-not-found", {}),
        (NotAllowedInState("task", "t", "cancel", "RUNNING"), "not-allowed-in-state", {"taskId": "t"}),
        (NotAllowedInState("workflow", "w", "retry", "RUNNING"), "workflow-not-allowed-in-state", {"workflowId": "w"}),
        (ChangedMeanwhile("schedule", "s"), "changed-meanwhile", {"scheduleId": "s"}),
        (IdempotencyKeyReused("workflow", "w", "key"), "idempotency-key-reused", {"workflowId": "w"}),
    ],
)
def test_problem_of_an_error_about_a_resource_names_the_resource(
    error: TaskyardError, slug: str, fields: dict[str, str]
) -> None:
    document = problems.problem_of(error, request_id="r").document
    assert document["type"] == f"urn:taskyard:problem:{slug}"
    assert fields.items() <= document.items()


@pytest.mark.parametrize(
    ("error", "status", "slug", "fields"),
    [
        (NoRole(Role.ADMIN, [Role.VIEWER]), 403, "no-role", {"required": "admin", "held": ["viewer"]}),
        (NoRole(Role.VIEWER, []), 403, "no-role", {"required": "viewer", "held": []}),
        (NoTenant(["the claim org"]), 403, "no-tenant", {}),
        (SeveralTenants("the claim org", ["a", "b"]), 403, "several-tenants", {}),
        (InvalidTenant("the claim org", "a/b"), 403, "invalid-tenant", {}),
        (WrongTokenUse("id", ("access",)), 401, "wrong-token-use", {}),
        (NoIdentity(), 403, "no-identity", {}),
        (InvokerUnknown(), 403, "no-identity", {}),
    ],
)
def test_problem_of_an_identity_says_what_it_lacks(
    error: TaskyardError, status: int, slug: str, fields: dict[str, Any]
) -> None:
    found = problems.problem_of(error, request_id="r")
    expected = {"type": f"urn:taskyard:problem:{slug}", "status": status, "detail": str(error)}
    assert {name: value for name, value in found.document.items() if name != "title"} == expected | fields
    assert ("WWW-Authenticate" in found.headers) == (status == 401)


def test_slugs_are_unique() -> None:
    slugs = [kind.slug for kind in problems.PROBLEM_TYPES.values()]
    assert len(set(slugs)) == len(slugs)


def test_a_problem_says_what_and_where() -> None:
    found = problems.problem_of(InvalidRequest([FieldError("payload.to", "is required")]), request_id="r")
    assert (found.status, found.document) == (
        422,
        {
            "type": "urn:taskyard:problem:invalid-request",
            "title": "The request is not valid",
            "status": 422,
            "detail": "payload.to: is required",
            "errors": [{"field": "payload.to", "message": "is required"}],
        },
    )


def test_a_passing_fault_says_when_to_come_back() -> None:
    found = problems.problem_of(StoreUnavailable("DynamoDB", "ThrottlingException"), request_id="r")
    assert found.status == 503
    assert int(found.headers["Retry-After"]) > 0


def test_what_nobody_foresaw_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "taskyard.api"):
        found = problems.problem_of(KeyError("secret"), request_id="r-1")
    assert found.status == 500
    assert found.document["requestId"] == "r-1"
    assert "secret" not in str(found.document)
    assert "secret" in caplog.text


def test_an_internal_error_says_which_log_has_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "Taskyard-prod-Api")
    found = problems.problem_of(KeyError("secret"), request_id="r-1")
    assert found.document["detail"] == "request r-1 failed; its cause is in the log Taskyard-prod-Api"


def test_what_callers_wrote_does_not_swell_the_answer() -> None:
    flood = InvalidRequest([FieldError("x" * 10_000, "is not a known field")] * 10_000)
    assert len(str(problems.problem_of(flood, request_id="r").document)) < 200_000
