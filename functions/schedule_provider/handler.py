"""Entry point of the schedule provider: the function behind `Custom::TaskyardSchedule`. CloudFormation invokes it for
each schedule that a deployment declares, changes or removes (docs/adr/0035). Only CloudFormation and administrators may
invoke it: the event names the tenant.
"""

from __future__ import annotations

import json
import logging
import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.runtime.environment import ScheduleProviderEnvironment
from functions.runtime.metrics import Metrics

if TYPE_CHECKING:
    from functions.http.client import Client
    from functions.schedule_provider.declaration import Declarations

logger = logging.getLogger("taskyard.schedule_provider")

ANSWER_SECONDS = 10.0
"""For the request that answers CloudFormation."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: as in events/schedule_provider/. Returns the answer that it has sent to the ResponseURL. Raises when the
    answer could not be sent: Lambda repeats the invocation twice, with the same result."""
    from taskyard.tasks.http import HttpRequest

    wired = services()
    answer = wired.declarations.answer(event, remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000)
    level = logging.INFO if answer["Status"] == "SUCCESS" else logging.ERROR
    logger.log(level, "%s %s: %s", event["RequestType"], answer["Status"], answer.get("Reason", ""))
    # AWS: the URL is signed for a request without a content type.
    request = HttpRequest(
        method="PUT", url=event["ResponseURL"], headers={"content-type": ""}, body=json.dumps(answer).encode()
    )
    sent = wired.http.send(request, seconds=ANSWER_SECONDS)
    if sent.status != 200:
        raise RuntimeError(f"CloudFormation did not take the answer: {sent.status}")
    return answer


class Services:
    def __init__(self, environment: ScheduleProviderEnvironment) -> None:
        from functions.http.client import Client
        from functions.intake import services as intake_services
        from functions.schedule_provider.declaration import Declarations

        metrics = Metrics(environment.name)
        submission = intake_services.submission(environment)
        # CloudFormation gives the URL, not a tenant; in the local system it is on the loopback.
        self.http: Client = Client("local")
        self.declarations: Declarations = Declarations(
            schedules=intake_services.schedules(environment, submission, metrics), sleep=time.sleep
        )


@cache
def services() -> Services:
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Services(ScheduleProviderEnvironment(os.environ))
