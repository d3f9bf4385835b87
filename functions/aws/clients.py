"""boto3 clients: one a service and process, with time-outs that leave a Lambda time to say what went wrong."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    # A batch of ten tasks calls from ten threads, their handlers from ten more.
    max_pool_connections=25,
)
MAKING = threading.Lock()
"""Clients are safe to share between threads, making them is not."""


@cache
def client(service: str, *, attempts: int = 6) -> Any:
    """Throttles and network errors are tried again, 20 ms to seconds apart; what remains is StoreUnavailable.
    `attempts`: 1 for calls whose repetition would do their effect twice."""
    retries = {"mode": "standard", "total_max_attempts": attempts}
    with MAKING:
        return boto3.client(service, config=CONFIG.merge(Config(retries=retries)))
