"""How the clients repeat a request: `Taskyard(url, backoff=Backoff(base=1.0))`. The public place of these names."""

from __future__ import annotations

from taskyard.transport.retries import Backoff as Backoff
