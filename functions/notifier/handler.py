"""Entry point of the notifier function: one attempt of one notification's execution (infra/functions/notifier.py)."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from functions.core.notifications.events import Delivery, Notification
from functions.core.outline import outline
from functions.core.times import epoch_ms
from functions.notifier.delivery import AskedToWaitError, Deliverer, NotDeliveredError
from functions.runtime import wiring
from functions.runtime.environment import NotifierEnvironment
from functions.runtime.metrics import Metrics
from functions.store.notifications import NotificationStore

logger = logging.getLogger("taskyard.notifier")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: {step: deliver, notification, startedAt} or {step: give-up, notification, error} (events/notifier/).
    Raises an error when the state machine is to try again."""
    deliverer = services()
    by_design = (NotDeliveredError, AskedToWaitError)
    with deliverer.metrics.invocation("NotifierErrors", by_design=by_design, clock=wiring.clock):
        try:
            notification = Notification.from_input(event["notification"])
        except ValueError as error:
            # Another attempt would read the same. There is no record in which it could be listed.
            logger.error("undeliverable, unreadable: %s", error, extra={"shape": outline(event)})
            deliverer.metrics.count("NotificationUndeliverable")
            return {"state": Delivery.UNDELIVERABLE}
        match event["step"]:
            case "deliver":
                state = deliverer.attempt(notification, started_at=epoch_ms(event["startedAt"]))
            case "give-up":
                state = deliverer.give_up(notification, error=event["error"])
            case other:
                raise ValueError(f"unknown step {other!r}")
    return {"state": state}


@cache
def services() -> Deliverer:
    environment = NotifierEnvironment(os.environ)
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Deliverer(
        store=NotificationStore(table=wiring.table(environment), shards=environment.listing_shards),
        http=wiring.http_client(environment.webhook_reach),
        secrets=wiring.webhook_secrets(environment.webhook_secrets),
        mail=wiring.mail(environment.mail_from),
        metrics=Metrics(environment.name),
        environment=environment.name,
        clock=wiring.clock,
    )
