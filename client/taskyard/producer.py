"""Submits tasks by invoking the producer function, without HTTP, for principals with lambda:InvokeFunction.

    import taskyard

    taskyard.submit("SEND_EMAIL", {"to": "ada@example.com"}, key="order-17")  # in a Lambda with TASKYARD_FUNCTION set

Rules, tasks and idempotency are the same as over HTTP. botocore is imported for the first submit.
"""

import functools
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Unpack

from taskyard.api.tasks import calls
from taskyard.api.tasks.calls import TaskOptions
from taskyard.api.tasks.models import Task
from taskyard.errors import NoCredentials, NoEndpoint, Unreachable
from taskyard.extras import packages_of_extra
from taskyard.transport.call import Response
from taskyard.transport.idempotency_keys import checked_key, new_key
from taskyard.transport.retries import Backoff, pause_before_retry, retry_after_seconds

FUNCTION_VARIABLE = "TASKYARD_FUNCTION"


class Producer:
    """function: name or ARN of the producer, else TASKYARD_FUNCTION. Its name is `Taskyard-<env>-producer`, the output
    ProducerFunction of the stack. Safe to share between threads.

    client: a Lambda client of botocore or boto3; None makes one with the credentials of the environment.
    sleep, draw: for tests. `draw` is uniform in [0, 1).
    """

    def __init__(
        self,
        function: str | None = None,
        *,
        client: Any = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        name = function or os.environ.get(FUNCTION_VARIABLE)
        if not name:
            raise NoEndpoint(
                f"no producer: pass its name or ARN (stack output ProducerFunction), or set {FUNCTION_VARIABLE}"
            )
        self.function = name
        self._client = client
        self._backoff, self._sleep, self._draw = backoff or Backoff(), sleep, draw

    def submit(self, type: str, payload: Any = None, *, key: str | None = None, **options: Unpack[TaskOptions]) -> Task:
        """As `Taskyard.submit`; `key` is its idempotency_key. Raises the same errors."""
        # Each attempt has the same key: an attempt whose answer was lost does not make a second task.
        key = new_key() if key is None else checked_key(key)
        call = calls.submit(type, payload, idempotency_key=key, **options)
        event = {"submit": json.loads(call.request.body), "idempotencyKey": key}
        attempts = 0
        while True:
            outcome = self._invoke(event)
            attempts += 1
            status, retry_after = None, None
            if isinstance(outcome, Response):
                status, retry_after = outcome.status, retry_after_seconds(outcome.headers.get("retry-after"), _now())
            pause = pause_before_retry(self._backoff, attempts, status, retry_after, self._draw())
            if pause is None:
                if isinstance(outcome, Unreachable):
                    raise outcome
                return call.result(outcome)
            self._sleep(pause)

    def _invoke(self, event: Mapping[str, Any]) -> Response | Unreachable:
        with packages_of_extra("iam"):
            from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

        try:
            answer = self._lambda_client().invoke(FunctionName=self.function, Payload=json.dumps(event).encode())
        except (NoCredentialsError, NoRegionError) as error:
            raise NoCredentials(str(error)) from error
        except ClientError as error:
            return self._error_response(error.response)
        except BotoCoreError as error:
            return Unreachable(self.function, str(error))
        document = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            # The function raised, timed out or died: it may have submitted the task before.
            return Unreachable(self.function, str((document or {}).get("errorMessage", "the function failed")))
        body = document.get("task", document.get("problem"))
        # An invocation has no headers: what the API says in one is a field of the problem here.
        retry_after = document.get("problem", {}).get("retryAfterSeconds")
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        return Response(int(document["status"]), headers, json.dumps(body).encode())

    def _error_response(self, response: Mapping[str, Any]) -> Response:
        code = response.get("Error", {}).get("Code", "")
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        message = response.get("Error", {}).get("Message", code)
        if code == "ResourceNotFoundException":
            raise NoEndpoint(f"there is no function {self.function}: {message}")
        return Response(status, {}, json.dumps({"title": code, "detail": message}).encode())

    def _lambda_client(self) -> Any:
        if self._client is None:
            self._client = _shared_client()
        return self._client


def _now() -> datetime:
    return datetime.now(UTC)


@functools.cache
def _shared_client() -> Any:
    """One client for all producers: creating it takes longer than a submit."""
    with packages_of_extra("iam"):
        from botocore.config import Config
        from botocore.session import get_session

    # Producer.submit retries: with the same key, and also after a problem that the function answers.
    config = Config(connect_timeout=5, read_timeout=35, retries={"total_max_attempts": 1})
    return get_session().create_client("lambda", config=config)


def submit(
    type: str,
    payload: Any = None,
    *,
    key: str | None = None,
    function: str | None = None,
    **options: Unpack[TaskOptions],
) -> Task:
    """`Producer(function).submit(…)`: from any Lambda or script of the account."""
    return Producer(function).submit(type, payload, key=key, **options)
