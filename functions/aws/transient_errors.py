"""Translates transient errors of AWS into StoreUnavailable, for all clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from functions.core.errors import StoreUnavailable

TRANSIENT_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "KmsThrottled",
        "OverLimit",
        "RequestTimeout",
        "RequestTimeoutException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "InternalServerError",
        "InternalServerException",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "TransactionConflictException",
    }
)


@contextmanager
def translate_transient_errors(service: str) -> Iterator[None]:
    """Raises StoreUnavailable for an error whose call may succeed when it is repeated. Other errors pass unchanged."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in TRANSIENT_CODES or status >= 500:
            raise StoreUnavailable(service, code) from error
        raise
    except ParamValidationError:
        # The call was never sent: its parameters are wrong.
        raise
    except BotoCoreError as error:
        raise StoreUnavailable(service, type(error).__name__) from error
