"""Clients of AWS services: one per service and process, with time-outs that leave a Lambda time to report an error.

botocore makes them, as it makes those of boto3: `import boto3` adds resources and S3 transfers, which nothing here
uses, and takes an eighth of botocore's own import time (`make bench-init`). A handler may import boto3: it is in the
layer.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    # The ten tasks of a batch call from ten threads, their handlers from ten more.
    max_pool_connections=25,
)
CREATION_LOCK = threading.Lock()
"""Threads may share a client, but must not create clients at the same time."""


@cache
def session() -> Any:
    """Shared by all clients: the second client then costs a tenth of the first."""
    return botocore.session.get_session()


@cache
def client(service: str, *, attempts: int = 6) -> Any:
    """Repeats throttled calls and network errors, 20 ms to seconds apart. `attempts`: 1 for calls that must not be
    repeated, because each repetition could have an effect."""
    with CREATION_LOCK:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            # Set once: otherwise botocore builds it for each call, which takes a tenth of the call's CPU time.
            user_agent=session().user_agent(),
        )
        return session().create_client(service, config=CONFIG.merge(config))
