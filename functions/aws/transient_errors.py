"""ClientError → core errors, for every port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from functions.core.errors import StoreUnavailable

PASSING = frozenset(
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
    """Raises StoreUnavailable for what may succeed when sent again; what never will goes through as it is."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in PASSING or status >= 500:
            raise StoreUnavailable(service, code) from error
        raise
    except ParamValidationError:
        # Wrong before it was sent, and wrong the next time.
        raise
    except BotoCoreError as error:
        raise StoreUnavailable(service, type(error).__name__) from error
