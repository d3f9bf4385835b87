"""What /openapi.json says of schedules is what the API does."""

from __future__ import annotations

from typing import Any

import pytest

from functions.intake.schedule_requests import RATE_EXAMPLE, WEEKDAYS_EXAMPLE
from tests.integration.api import MESSAGE, Api
from tests.integration.test_api_openapi import body_errors, fits

PATH = "/schedules/{id}"


@pytest.mark.parametrize("body", [WEEKDAYS_EXAMPLE, RATE_EXAMPLE])
def test_its_examples_fit_and_are_accepted(api: Api, body: dict[str, Any]) -> None:
    assert body_errors("CreateSchedule", body) == []
    answer = api("POST", "/schedules", body)
    assert answer.status == 201
    fits(answer, "post", "/schedules")


@pytest.mark.parametrize(
    "body",
    [
        {"task": MESSAGE},
        {"rate": "1 minute"},
        {"rate": "1 minute", "cron": "* * * * *", "task": MESSAGE},
        {"rate": "1 minute", "task": MESSAGE | {"delay_seconds": 5}},
        {"rate": "1 minute", "task": MESSAGE | {"bogus": 5}},
        {"rate": "1 minute", "task": MESSAGE, "startAt": "2026-03-01T00:00:00Z", "start_at": "2026-03-01T00:00:00Z"},
        {"rate": "1 minute", "task": MESSAGE, "overlap": "queue"},
        {"rate": "1 minute", "task": MESSAGE, "bogus": 1},
    ],
)
def test_what_the_schema_refuses_the_api_refuses(api: Api, body: dict[str, Any]) -> None:
    assert body_errors("CreateSchedule", body)
    answer = api("POST", "/schedules", body)
    assert answer.status == 422
    fits(answer, "post", "/schedules")


@pytest.mark.parametrize("body", [{"task": None, "paused": True}, {"task": MESSAGE}, {"name": None, "rate": None}])
def test_what_the_schema_of_a_change_takes_the_api_takes(api: Api, body: dict[str, Any]) -> None:
    assert body_errors("ChangeSchedule", body) == []
    made = api("POST", "/schedules", WEEKDAYS_EXAMPLE)
    fits(api("PATCH", f"/schedules/{made.body['id']}", body), "patch", PATH)


def test_every_answer_is_as_described(api: Api) -> None:
    made = api("POST", "/schedules", WEEKDAYS_EXAMPLE | {"idempotencyKey": "k"})
    path = f"/schedules/{made.body['id']}"
    fits(api("POST", "/schedules", WEEKDAYS_EXAMPLE | {"idempotencyKey": "k"}), "post", "/schedules")
    fits(api("POST", "/schedules", RATE_EXAMPLE | {"idempotencyKey": "k"}), "post", "/schedules")
    fits(api("POST", "/schedules", ""), "post", "/schedules")
    fits(api("GET", path), "get", PATH)
    fits(api("GET", "/schedules"), "get", "/schedules")
    fits(api("GET", "/schedules", query={"limit": "0"}), "get", "/schedules")
    fits(api("PATCH", path, {"paused": True}), "patch", PATH)
    fits(api("PATCH", path, {}), "patch", PATH)
    for _ in range(2):
        fits(api("POST", f"{path}/run", headers={"idempotency-key": "k"}), "post", f"{PATH}/run")
    for _ in range(2):
        fits(api("DELETE", path), "delete", PATH)
    fits(api("GET", path), "get", PATH)
    fits(api("POST", f"{path}/run"), "post", f"{PATH}/run")
    fits(api("PATCH", path, {"paused": True}), "patch", PATH)
