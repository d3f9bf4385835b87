"""Secrets that webhooks are signed with, from Secrets Manager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from taskyard.tasks.signature import key_of

from functions.aws.transient_errors import translate_transient_errors

KEPT_MS = 300_000
"""A rotation is signed with five minutes later at the latest; and one call per version in that time is nothing."""
STAGES = ("AWSCURRENT", "AWSPREVIOUS")


@dataclass
class SecretUnusable(Exception):
    """There is none of this name, or it holds no key: no base64, or too short a one. Its owner can put it right."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"secret {self.name}: {self.reason}"


@dataclass(frozen=True)
class WebhookSecrets:
    """`client` makes the Secrets Manager client on first use. `path`: of this deployment, `taskyard/dev/webhooks`.
    `clock`: epoch ms."""

    client: Callable[[], Any]
    path: str
    clock: Callable[[], int]
    _kept: dict[str, tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keys(self, tenant: str, name: str) -> tuple[bytes, ...]:
        """The current one and, after a rotation, the one before. Raises SecretUnusable, StoreUnavailable."""
        # The tenant is part of the name: nobody is signed for with another's secret.
        full = f"{self.path}/{tenant}/{name}"
        now = self.clock()
        with self._lock:
            found = self._kept.get(full)
        if found is not None and now - found[0] < KEPT_MS:
            return found[1]
        values = [value for stage in STAGES if (value := self._read(full, stage)) is not None]
        if not values:
            raise SecretUnusable(full, "there is none: see docs/notifications.md, «Secrets»")
        try:
            made = tuple(map(key_of, values))
        except ValueError as error:
            raise SecretUnusable(full, str(error)) from None
        with self._lock:
            self._kept[full] = (now, made)
        return made

    def _read(self, name: str, stage: str) -> str | None:
        secrets = self.client()
        with translate_transient_errors("SecretsManager"):
            try:
                return str(secrets.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"])
            except secrets.exceptions.ResourceNotFoundException:
                return None
            except secrets.exceptions.InvalidRequestException:
                # Marked for deletion: as good as gone.
                return None
