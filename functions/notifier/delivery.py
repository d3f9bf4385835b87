"""One attempt to deliver, and what becomes of it. When the next one is: infra/functions/notifier.py."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskyard.tasks import signature
from taskyard.tasks.errors import Permanent, Retry
from taskyard.tasks.http import HttpClient, HttpRequest, retry_after_seconds
from taskyard.tasks.mail import Mail, mask_addresses
from taskyard.tasks.urls import without_target

from functions.aws.secrets import SecretUnusable
from functions.core.errors import StoreUnavailable
from functions.core.notifications.events import DEFAULT_SECRET_NAME, Delivery, Notification, display_target
from functions.core.times import iso_time
from functions.notifier import email
from functions.runtime.metrics import Metrics
from functions.store.notifications import NotificationStore

logger = logging.getLogger("taskyard.notifier")

WINDOW_MS = 24 * 3600 * 1000
"""From the start of the execution. An attempt that fails after this time is the last one."""
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 3600
"""Pauses of the state machine's own retries: 5 s, doubled, up to an hour. Also when a receiver asks for less."""
RESULT_BYTES = 64 * 1024
"""A larger result is left out and named in `omitted`; GET /tasks/{id} returns it."""
GONE = 410
ATTEMPT_SECONDS = 15.0
"""For the whole webhook request of one attempt. Standard Webhooks recommends 15 to 30."""
ERROR_TEXT_LIMIT = 100
"""Characters of the body of a response other than 2xx that the error contains."""


class NotDeliveredError(Exception):
    """Tells the state machine to try again after its own pause."""


class AskedToWaitError(Exception):
    """Tells the state machine to try again at a time: the message, in ISO 8601."""


@dataclass(frozen=True)
class Delivered:
    status: int | None = None


@dataclass(frozen=True)
class PermanentFailure:
    """Another attempt would fail as well."""

    error: str
    status: int | None = None


@dataclass(frozen=True)
class TemporaryFailure:
    """Another attempt may succeed. `wait`: seconds that the receiver asks for."""

    error: str
    status: int | None = None
    wait: float | None = None


DeliveryOutcome = Delivered | PermanentFailure | TemporaryFailure


@dataclass(frozen=True, kw_only=True)
class Deliverer:
    """`clock`: epoch ms."""

    store: NotificationStore
    http: HttpClient
    secrets: signature.Secrets
    mail: Mail
    metrics: Metrics
    environment: str
    clock: Callable[[], int]

    def attempt(self, note: Notification, *, started_at: int) -> Delivery:
        """`started_at`: epoch ms, of the execution. Raises NotDeliveredError or AskedToWaitError to get another
        attempt."""
        # Recorded before anything is sent or read: a crash of this function counts as an attempt, too.
        begun = self.store.begin_attempt(note, now=self.clock())
        if begun.refused:
            # The previous attempt reached a final state, and then crashed, or its response was lost.
            return begun.notification.state
        outcome = self._send(note)
        now = self.clock()
        last = now - started_at >= WINDOW_MS
        if isinstance(outcome, Delivered):
            self.store.record_attempt_end(note, Delivery.DELIVERED, now=now, status=outcome.status)
            self.metrics.count("NotificationDelivered")
            logger.info("delivered", extra=log_fields(note))
            return Delivery.DELIVERED
        if isinstance(outcome, PermanentFailure) or last:
            return self._give_up(note, outcome.error, status=outcome.status, now=now)
        self.store.record_attempt_end(note, Delivery.PENDING, now=now, status=outcome.status, error=outcome.error)
        self.metrics.count("NotificationRetried")
        logger.warning("not delivered: %s", outcome.error, extra=log_fields(note))
        raise retry_error(outcome, begun.notification.attempts, now=now, ends_at=started_at + WINDOW_MS)

    def give_up(self, note: Notification, *, error: str) -> Delivery:
        """The retries of the state machine are used up: the function crashed each time, or could not be invoked."""
        found = self.store.get(note)
        if found is not None and found.is_final:
            return found.state
        because = found.error if found is not None and found.error else f"the notifier itself failed: {error}"
        return self._give_up(note, because, status=found.status if found else None, now=self.clock())

    def _give_up(self, note: Notification, error: str, *, status: int | None, now: int) -> Delivery:
        self.store.record_attempt_end(note, Delivery.UNDELIVERABLE, now=now, status=status, error=error)
        self.metrics.count("NotificationUndeliverable")
        logger.error("undeliverable: %s", error, extra=log_fields(note))
        return Delivery.UNDELIVERABLE

    def _send(self, note: Notification) -> DeliveryOutcome:
        try:
            if "email" in note.to:
                return self._mail(note)
            return self._post(note)
        except (StoreUnavailable, Retry, SecretUnusable) as error:
            return TemporaryFailure(str(error))
        except Permanent as error:
            return PermanentFailure(str(error))

    def _mail(self, note: Notification) -> DeliveryOutcome:
        self.mail.send(
            to=[note.to["email"]],
            subject=email.subject(note),
            text=email.text(note, environment=self.environment),
            html=None,
            sender=None,
        )
        return Delivered()

    def _post(self, note: Notification) -> DeliveryOutcome:
        keys = self.secrets.keys(note.tenant, note.to.get("secret", DEFAULT_SECRET_NAME))
        body = json.dumps(self._body(note), ensure_ascii=False, separators=(",", ":")).encode()
        signed = signature.signature_headers(keys, id=note.name, at=self.clock() // 1000, body=body)
        headers = {"Content-Type": "application/json", "User-Agent": "Taskyard", **signed}
        url = note.to["webhook"]
        answer = self.http.send(
            HttpRequest(method="POST", url=url, body=body, headers=headers), seconds=ATTEMPT_SECONDS
        )
        if 200 <= answer.status < 300:
            return Delivered(answer.status)
        words = " ".join(without_target(answer.text, url).split())[:ERROR_TEXT_LIMIT]
        error = f"answered {answer.status}" + (f": {words}" if words else "")
        if answer.status == GONE:
            return PermanentFailure(error, answer.status)
        return TemporaryFailure(error, answer.status, retry_after_seconds(answer.headers, now=self.clock() / 1000))

    def _body(self, note: Notification) -> dict[str, Any]:
        """The same bytes in every attempt: its sources never change."""
        body = dict(note.body)
        if note.result_ref is not None:
            document = self.store.inline_result(note, limit=RESULT_BYTES)
            if document is None:
                body["data"] = {key: value for key, value in body["data"].items() if key != "result"} | {
                    "omitted": ["result"]
                }
            else:
                body["data"] = body["data"] | {"result": json.loads(document)}
        return body


def retry_error(outcome: TemporaryFailure, attempts: int, *, now: int, ends_at: int) -> Exception:
    """`attempts`: so far, with this one. A receiver's wait counts only when it is longer than the machine's own pause:
    otherwise a receiver that asks for one second each time would get 86,400 requests. It ends with the window, so that
    there is a last attempt."""
    if outcome.wait is not None and outcome.wait > retry_pause_seconds(attempts):
        return AskedToWaitError(iso_time(min(now + round(outcome.wait * 1000), ends_at)))
    return NotDeliveredError(outcome.error)


def retry_pause_seconds(attempts: int) -> int:
    """Seconds that the state machine waits after this many attempts."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS << min(attempts - 1, 20))


def log_fields(note: Notification) -> dict[str, Any]:
    return {"notification": note.name, "tenant": note.tenant, "to": mask_addresses(display_target(note.to))}
