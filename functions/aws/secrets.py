"""Secrets from Secrets Manager: those that sign webhooks, and those that handlers read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from taskyard.tasks.signature import signing_key

from functions.aws.transient_errors import translate_transient_errors

CACHE_MS = 300_000
"""A rotated secret is in use after five minutes at the latest; one call per version in that time costs next to
nothing."""
STAGES = ("AWSCURRENT", "AWSPREVIOUS")


@dataclass
class SecretUnusable(Exception):
    """The secret does not exist, or is not a key: not base64, or too short. Its owner can correct that."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"secret {self.name}: {self.reason}"


@dataclass(frozen=True)
class WebhookSecrets:
    """`client` makes the Secrets Manager client on first use. `path`: of the deployment, such as
    `taskyard/dev/webhooks`. `clock`: epoch ms."""

    client: Callable[[], Any]
    path: str
    clock: Callable[[], int]
    _cache: dict[str, tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keys(self, tenant: str, name: str) -> tuple[bytes, ...]:
        """The current key and, after a rotation, the previous one. Raises SecretUnusable, StoreUnavailable."""
        # The tenant is part of the name: a webhook is never signed with another tenant's secret.
        full_name = f"{self.path}/{tenant}/{name}"
        now = self.clock()
        with self._lock:
            cached = self._cache.get(full_name)
        if cached is not None and now - cached[0] < CACHE_MS:
            return cached[1]
        values = [value for stage in STAGES if (value := self._read(full_name, stage)) is not None]
        if not values:
            raise SecretUnusable(full_name, "there is none: see docs/notifications.md, «Secrets»")
        try:
            keys = tuple(map(signing_key, values))
        except ValueError as error:
            raise SecretUnusable(full_name, str(error)) from None
        with self._lock:
            self._cache[full_name] = (now, keys)
        return keys

    def _read(self, name: str, stage: str) -> str | None:
        return read_secret(self.client(), name, stage)


@dataclass(frozen=True)
class HandlerSecrets:
    """`client`, `clock`: as in WebhookSecrets. `path`: of the deployment, such as `taskyard/dev/secrets`."""

    client: Callable[[], Any]
    path: str
    clock: Callable[[], int]
    _cache: dict[str, tuple[int, str]] = field(default_factory=dict)

    def read(self, tenant: str, name: str) -> str:
        """The secret `<path>/<tenant>/<name>`, else `<path>/<name>`, which all tenants share. Raises SecretUnusable,
        StoreUnavailable. `name` has no slash: no tenant can be read by the name of a shared secret."""
        full_name = f"{self.path}/{tenant}/{name}"
        now = self.clock()
        cached = self._cache.get(full_name)
        if cached is not None and now - cached[0] < CACHE_MS:
            return cached[1]
        secrets = self.client()
        for each in (full_name, f"{self.path}/{name}"):
            value = read_secret(secrets, each, STAGES[0])
            if value is not None:
                self._cache[full_name] = (now, value)
                return value
        raise SecretUnusable(full_name, f"there is none, and no {self.path}/{name}")


def read_secret(secrets: Any, name: str, stage: str) -> str | None:
    """`secrets`: the client. None for a secret that does not exist, or has no text."""
    with translate_transient_errors("SecretsManager"):
        try:
            value = secrets.get_secret_value(SecretId=name, VersionStage=stage).get("SecretString")
        except secrets.exceptions.ResourceNotFoundException:
            return None
        except secrets.exceptions.InvalidRequestException:
            # The secret is marked for deletion.
            return None
    return None if value is None else str(value)
