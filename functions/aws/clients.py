"""Clients of AWS's services: one a service and process, with time-outs that leave a Lambda time to say what went wrong.

They are made by botocore, as boto3's are: `import boto3` adds resources and S3 transfers, which nothing here uses, and
an eighth of botocore's own import (`make bench-init`). A task type's handler may import boto3: it is in the layer.
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
    # A batch of ten tasks calls from ten threads, their handlers from ten more.
    max_pool_connections=25,
)
MAKING = threading.Lock()
"""Clients are safe to share between threads, making them is not."""


@cache
def session() -> Any:
    """One for all clients: the second one costs a tenth of the first."""
    return botocore.session.get_session()


@cache
def client(service: str, *, attempts: int = 6) -> Any:
    """Throttles and network errors are tried again, 20 ms to seconds apart; what remains is StoreUnavailable.
    `attempts`: 1 for calls whose repetition would do their effect twice."""
    with MAKING:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            # Said once: botocore puts its own together anew at every call, a tenth of the call's CPU.
            user_agent=session().user_agent(),
        )
        return session().create_client(service, config=CONFIG.merge(config))
