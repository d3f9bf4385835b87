"""boto3 clients: one a service and process, with time-outs that leave a Lambda time to say what went wrong."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    # A batch of ten tasks calls from ten threads, their handlers from ten more.
    max_pool_connections=25,
    # Throttles and network errors are tried again here, 20 ms to seconds apart; what remains is StoreUnavailable.
    retries={"mode": "standard", "total_max_attempts": 6},
)


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=CONFIG)
