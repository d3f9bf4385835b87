"""One attempt to deliver a notification by webhook or mail, and the state of the notification after it.

The state machine of the notifier (infra/functions/notifier.py) starts the next attempt.
"""

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

RETRY_WINDOW_MS = 24 * 3600 * 1000
"""From the start of the execution. An attempt that fails after this time is the last one."""
MIN_PAUSE_SECONDS = 5
MAX_PAUSE_SECONDS = 3600
"""Pauses of the state machine's own retries: 5 s, doubled each time, up to an hour. A receiver that asks for less does
not shorten them."""
RESULT_LIMIT_BYTES = 64 * 1024
"""A larger result is left out and named in `omitted`; GET /tasks/{id} returns it."""
GONE_STATUS = 410
REQUEST_TIMEOUT_SECONDS = 15.0
"""For the whole webhook request of one attempt. Standard Webhooks recommends 15 to 30."""
ERROR_TEXT_LIMIT = 100
"""Characters of the body of a response other than 2xx that the error contains."""


class NotDeliveredError(Exception):
    """Tells the state machine to try again after its own pause."""


class AskedToWaitError(Exception):
    """Tells the state machine to try again at the time in the message, in ISO 8601."""


@dataclass(frozen=True)
class DeliverySuccess:
    status: int | None = None


@dataclass(frozen=True)
class PermanentDeliveryFailure:
    """Another attempt would fail as well."""

    error: str
    status: int | None = None


@dataclass(frozen=True)
class TemporaryDeliveryFailure:
    """Another attempt may succeed. `wait`: seconds that the receiver asks for."""

    error: str
    status: int | None = None
    wait: float | None = None


DeliveryOutcome = DeliverySuccess | PermanentDeliveryFailure | TemporaryDeliveryFailure


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

    def attempt(self, notification: Notification, *, started_at: int) -> Delivery:
        """`started_at`: epoch ms, of the execution. Raises NotDeliveredError or AskedToWaitError to get another
        attempt."""
        # Recorded before anything is sent or read: a crash of this function counts as an attempt, too.
        begin_result = self.store.begin_attempt(notification, now=self.clock())
        if begin_result.refused:
            # The previous attempt reached a final state, and then crashed, or its response was lost.
            return begin_result.notification.state
        outcome = self._send(notification)
        now = self.clock()
        last = now - started_at >= RETRY_WINDOW_MS
        if isinstance(outcome, DeliverySuccess):
            self.store.record_attempt_end(notification, Delivery.DELIVERED, now=now, status=outcome.status)
            self.metrics.count("NotificationDelivered")
            logger.info("delivered", extra=log_fields(notification))
            return Delivery.DELIVERED
        if isinstance(outcome, PermanentDeliveryFailure) or last:
            return self._give_up(notification, outcome.error, status=outcome.status, now=now)
        self.store.record_attempt_end(
            notification, Delivery.PENDING, now=now, status=outcome.status, error=outcome.error
        )
        self.metrics.count("NotificationRetried")
        logger.warning("not delivered: %s", outcome.error, extra=log_fields(notification))
        raise retry_error(outcome, begin_result.notification.attempts, now=now, ends_at=started_at + RETRY_WINDOW_MS)

    def give_up(self, notification: Notification, *, error: str) -> Delivery:
        """The retries of the state machine are used up: the function crashed each time, or could not be invoked."""
        current = self.store.get(notification)
        if current is not None and current.is_final:
            return current.state
        reason = current.error if current is not None and current.error else f"the notifier itself failed: {error}"
        return self._give_up(notification, reason, status=current.status if current else None, now=self.clock())

    def _give_up(self, notification: Notification, error: str, *, status: int | None, now: int) -> Delivery:
        self.store.record_attempt_end(notification, Delivery.UNDELIVERABLE, now=now, status=status, error=error)
        self.metrics.count("NotificationUndeliverable")
        logger.error("undeliverable: %s", error, extra=log_fields(notification))
        return Delivery.UNDELIVERABLE

    def _send(self, notification: Notification) -> DeliveryOutcome:
        try:
            if "email" in notification.to:
                return self._send_mail(notification)
            return self._post_webhook(notification)
        except (StoreUnavailable, Retry, SecretUnusable) as error:
            return TemporaryDeliveryFailure(str(error))
        except Permanent as error:
            return PermanentDeliveryFailure(str(error))

    def _send_mail(self, notification: Notification) -> DeliveryOutcome:
        self.mail.send(
            to=[notification.to["email"]],
            subject=email.subject(notification),
            text=email.text(notification, environment=self.environment),
            html=None,
            sender=None,
        )
        return DeliverySuccess()

    def _post_webhook(self, notification: Notification) -> DeliveryOutcome:
        keys = self.secrets.keys(notification.tenant, notification.to.get("secret", DEFAULT_SECRET_NAME))
        body = json.dumps(self._webhook_body(notification), ensure_ascii=False, separators=(",", ":")).encode()
        signature_headers = signature.signature_headers(keys, id=notification.name, at=self.clock() // 1000, body=body)
        headers = {"Content-Type": "application/json", "User-Agent": "Taskyard", **signature_headers}
        url = notification.to["webhook"]
        response = self.http.send(
            HttpRequest(method="POST", url=url, body=body, headers=headers), seconds=REQUEST_TIMEOUT_SECONDS
        )
        if 200 <= response.status < 300:
            return DeliverySuccess(response.status)
        response_text = " ".join(without_target(response.text, url).split())[:ERROR_TEXT_LIMIT]
        error = f"answered {response.status}" + (f": {response_text}" if response_text else "")
        if response.status == GONE_STATUS:
            return PermanentDeliveryFailure(error, response.status)
        return TemporaryDeliveryFailure(
            error, response.status, retry_after_seconds(response.headers, now=self.clock() / 1000)
        )

    def _webhook_body(self, notification: Notification) -> dict[str, Any]:
        """The JSON body. Equal in every attempt, because its sources never change."""
        body = dict(notification.body)
        if notification.result_ref is not None:
            document = self.store.inline_result(notification, limit=RESULT_LIMIT_BYTES)
            if document is None:
                body["data"] = {key: value for key, value in body["data"].items() if key != "result"} | {
                    "omitted": ["result"]
                }
            else:
                body["data"] = body["data"] | {"result": json.loads(document)}
        return body


def retry_error(outcome: TemporaryDeliveryFailure, attempts: int, *, now: int, ends_at: int) -> Exception:
    """`attempts`: so far, with this one. The wait that a receiver asks for counts only when it is longer than the state
    machine's own pause: otherwise a receiver that always asks for one second would get 86,400 requests. It ends with
    the retry window at the latest, so that there is a last attempt."""
    if outcome.wait is not None and outcome.wait > retry_pause_seconds(attempts):
        return AskedToWaitError(iso_time(min(now + round(outcome.wait * 1000), ends_at)))
    return NotDeliveredError(outcome.error)


def retry_pause_seconds(attempts: int) -> int:
    """Seconds that the state machine waits after this many attempts."""
    return min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS << min(attempts - 1, 20))


def log_fields(notification: Notification) -> dict[str, Any]:
    return {
        "notification": notification.name,
        "tenant": notification.tenant,
        "to": mask_addresses(display_target(notification.to)),
    }
