"""Which answer is which error."""

import json

import pytest
import taskyard
from taskyard.api.tasks.calls import get
from taskyard.errors import problem_of_body
from taskyard.transport.call import Response


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, taskyard.InvalidRequest),
        (401, taskyard.Unauthorized),
        (403, taskyard.Forbidden),
        (404, taskyard.NotFound),
        (409, taskyard.Conflict),
        (413, taskyard.TooLarge),
        (422, taskyard.InvalidRequest),
        (429, taskyard.Throttled),
        (500, taskyard.Unavailable),
        (503, taskyard.Unavailable),
        (418, taskyard.ProblemError),
    ],
)
def test_status_of_a_problem_decides_the_error_class(status: int, kind: type[taskyard.ProblemError]) -> None:
    document = {"type": "/problems/x", "title": "No", "status": status, "detail": "because", "state": "RUNNING"}
    error = problem_of_body(status, json.dumps(document).encode())
    assert type(error) is kind
    assert (error.type, error.status, error.title, error.detail) == ("/problems/x", status, "No", "because")
    assert error.fields == document
    assert isinstance(error, taskyard.TaskyardError)


def test_problem_error_lists_the_invalid_fields() -> None:
    errors = [{"field": "payload.to", "message": "is missing"}]
    error = problem_of_body(422, json.dumps({"title": "Invalid", "errors": errors}).encode())
    assert list(error.errors) == errors
    assert "payload.to: is missing" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[1]", b'{"message":"Forbidden"}', b"\xff"])
def test_answer_of_a_gateway_is_an_error_of_its_status(body: bytes) -> None:
    error = problem_of_body(403, body)
    assert isinstance(error, taskyard.Forbidden)
    assert error.title == "Forbidden"


@pytest.mark.parametrize(
    "response",
    [
        Response(200, body=b"<html>hello</html>"),
        Response(200, body=b"[]"),
        Response(200, body=b'{"hello": "world"}'),
        Response(200),
        Response(302, {"location": "https://sign-in.example"}),
    ],
)
def test_answer_of_another_server_is_unexpected(response: Response) -> None:
    with pytest.raises(taskyard.UnexpectedAnswer):
        get("t1").result(response)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, taskyard.Unauthorized),
        (403, taskyard.Forbidden),
        (404, taskyard.NotFound),
        (413, taskyard.TooLarge),
        (429, taskyard.Throttled),
        (500, taskyard.Unavailable),
        (503, taskyard.Unavailable),
        (504, taskyard.Unavailable),
    ],
)
@pytest.mark.parametrize("name", ["message", "Message"])
def test_unauthorized_of_gateway_and_of_api_are_the_same_error(
    status: int, kind: type[taskyard.ProblemError], name: str
) -> None:
    """API Gateway knows `{"message": …}` only."""
    error = problem_of_body(status, json.dumps({name: "No\x1b way"}).encode())
    assert type(error) is kind
    assert str(error) == f"{status} No way"
    assert (error.fields["status"], error.fields["title"], error.fields["type"]) == (
        status,
        "No\x1b way",
        "about:blank",
    )


def test_http_status_wins_over_the_status_in_the_document() -> None:
    error = problem_of_body(503, b'{"status": 200, "title": "fine"}')
    assert type(error) is taskyard.Unavailable
    assert error.status == error.fields["status"] == 503


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ("payload.to: is missing; type: is not known", "422 Invalid\n  payload.to: is missing\n  type: is not known"),
        ("read the manual", "422 Invalid: read the manual\n  payload.to: is missing\n  type: is not known"),
        ("", "422 Invalid\n  payload.to: is missing\n  type: is not known"),
    ],
)
def test_error_message_does_not_repeat_the_detail(detail: str, text: str) -> None:
    errors = [{"field": "payload.to", "message": "is missing"}, {"field": "type", "message": "is not known"}]
    assert (
        str(problem_of_body(422, json.dumps({"title": "Invalid", "detail": detail, "errors": errors}).encode())) == text
    )


def test_exported_names_exist() -> None:
    for name in taskyard.__all__:
        assert getattr(taskyard, name) is not None
    assert taskyard.NoCredentials is taskyard.errors.NoCredentials
