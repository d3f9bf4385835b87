"""ClientError → core errors: what may pass is StoreUnavailable, what never will goes through."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from functions.aws.transient_errors import translate_transient_errors
from functions.core.errors import StoreUnavailable

URL = "https://dynamodb.us-east-1.amazonaws.com"


def refused(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        refused("ThrottlingException"),
        refused("ProvisionedThroughputExceededException"),
        refused("SlowDown", 503),
        refused("SomethingNew", 500),
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
    ],
    ids=str,
)
def test_what_may_pass(error: Exception) -> None:
    with pytest.raises(StoreUnavailable) as unavailable, translate_transient_errors("DynamoDB"):
        raise error
    assert unavailable.value.service == "DynamoDB"


@pytest.mark.parametrize(
    "error",
    [refused("ValidationException"), refused("AccessDeniedException"), ParamValidationError(report="no such field")],
    ids=str,
)
def test_what_never_will(error: Exception) -> None:
    with pytest.raises(type(error)), translate_transient_errors("DynamoDB"):
        raise error
