"""A call of the API as a value: the request to send, and how its answer is read. No I/O: both clients and the producer
send the same calls."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from taskyard.errors import NotFound, UnexpectedAnswer, problem_of_body

T = TypeVar("T")

JSON_HEADERS: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """path: with the query, encoded as it is sent (a signature covers it byte for byte)."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """headers: names in lower case. unreadable: why the body cannot be read; the status is valid all the same.
    has_renewable_credentials: of a 401, whether another attempt may send other credentials."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    unreadable: str | None = None
    has_renewable_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """from_json: makes the typed answer of the document of a success.
    removes: a success deletes the resource, so that 404 to a repeated request is a success too.
    """

    request: Request
    from_json: Callable[[Mapping[str, Any]], T]
    removes: bool = False

    def result(self, response: Response, *, repeated: bool = False) -> T:
        """The typed answer. Raises ProblemError for a refusal, UnexpectedAnswer for an answer that is not Taskyard's.
        repeated: the server may have carried out an earlier attempt of this request."""
        if response.status >= 400:
            error = problem_of_body(response.status, response.body)
            if repeated and self.removes and isinstance(error, NotFound):
                return self.from_json({})
            raise error
        if response.status >= 300:
            raise UnexpectedAnswer(response.status, f"a redirect to {response.headers.get('location')}")
        return self.success_result(response)

    def success_result(self, response: Response) -> T:
        if response.unreadable is not None and response.status != 204:
            raise UnexpectedAnswer(response.status, response.unreadable)
        try:
            document = json.loads(response.body) if response.body else {}
            return self.from_json(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnexpectedAnswer(response.status, response.body[:200].decode("utf-8", "replace")) from error


@dataclass(frozen=True, slots=True)
class TextCall(Call[str]):
    """A call whose answer is text, not JSON."""

    def success_result(self, response: Response) -> str:
        if response.unreadable is not None:
            raise UnexpectedAnswer(response.status, response.unreadable)
        return response.body.decode("utf-8", "replace")
