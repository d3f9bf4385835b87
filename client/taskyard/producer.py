"""Submitting without HTTP: whoever may invoke the producer function (lambda:InvokeFunction) may submit.

    import taskyard

    taskyard.submit("SEND_EMAIL", {"to": "ada@example.com"}, key="order-17")  # in a Lambda with TASKYARD_FUNCTION set

Same rules, same tasks, same idempotency as over HTTP. botocore is imported on the first submit.
"""

import functools
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Unpack

from taskyard import calls
from taskyard.calls import Response
from taskyard.errors import NoCredentials, NoEndpoint, Unreachable
from taskyard.idempotency import checked_key, new_key
from taskyard.model import Task
from taskyard.options import TaskOptions
from taskyard.retrying import Backoff, pause_before_retry

VARIABLE = "TASKYARD_FUNCTION"


class Producer:
    """function: name or ARN of the producer, else TASKYARD_FUNCTION. The stack names it `Taskyard-<env>-producer`, and
    says so in its output ProducerFunction. Safe to share between threads.

    client: of Lambda, by botocore or boto3; else one is made with the credentials of the environment.
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
        name = function or os.environ.get(VARIABLE)
        if not name:
            raise NoEndpoint(f"no producer: pass its name or ARN (stack output ProducerFunction), or set {VARIABLE}")
        self.function = name
        self._client = client
        self._backoff, self._sleep, self._draw = backoff or Backoff(), sleep, draw

    def submit(self, type: str, payload: Any = None, *, key: str | None = None, **options: Unpack[TaskOptions]) -> Task:
        """As `Taskyard.submit`; `key` is its idempotency_key. Raises the same errors."""
        # Each try has the same key: a try whose answer was lost is not done twice.
        key = new_key() if key is None else checked_key(key)
        call = calls.submit(type, payload, idempotency_key=key, **options)
        event = {"submit": json.loads(call.request.body), "idempotencyKey": key}
        tried = 0
        while True:
            outcome = self._invoke(event)
            tried += 1
            status = outcome.status if isinstance(outcome, Response) else None
            pause = pause_before_retry(self._backoff, tried, status, None, self._draw())
            if pause is None:
                if isinstance(outcome, Unreachable):
                    raise outcome
                return call.result(outcome)
            self._sleep(pause)

    def _invoke(self, event: Mapping[str, Any]) -> Response | Unreachable:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

        try:
            answer = self._lambda().invoke(FunctionName=self.function, Payload=json.dumps(event).encode())
        except (NoCredentialsError, NoRegionError) as error:
            raise NoCredentials(str(error)) from error
        except ClientError as error:
            return self._refused(error.response)
        except BotoCoreError as error:
            return Unreachable(self.function, str(error))
        document = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            # It raised, timed out or died: what it was doing may be done.
            return Unreachable(self.function, str((document or {}).get("errorMessage", "the function failed")))
        body = document.get("task", document.get("problem"))
        return Response(int(document["status"]), {}, json.dumps(body).encode())

    def _refused(self, response: Mapping[str, Any]) -> Response:
        code = response.get("Error", {}).get("Code", "")
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        message = response.get("Error", {}).get("Message", code)
        if code == "ResourceNotFoundException":
            raise NoEndpoint(f"no function {self.function}: {message}")
        return Response(status, {}, json.dumps({"title": code, "detail": message}).encode())

    def _lambda(self) -> Any:
        if self._client is None:
            self._client = _client()
        return self._client


@functools.cache
def _client() -> Any:
    """One for all producers: making it takes longer than a submit."""
    from botocore.config import Config
    from botocore.session import get_session

    # Tried again by us: under the same key, and after a problem that the function itself answered as well.
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
