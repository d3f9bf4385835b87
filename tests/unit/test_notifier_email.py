"""The mail: short, readable, and no header but its own."""

from __future__ import annotations

import json
from pathlib import Path

from functions.core.notifications.events import Notification
from functions.notifier import email

EVENTS = Path(__file__).parents[2] / "events" / "notifier"


def note(name: str) -> Notification:
    return Notification.from_input(json.loads((EVENTS / f"{name}.json").read_text())["notification"])


def test_of_a_task() -> None:
    assert email.subject(note("deliver_email")) == "Task WEBHOOK_CALL dead: 01kgdz6m00aaaaaaaaaaaaaaaa"
    assert email.text(note("deliver_email"), environment="prod") == (
        """Task 01kgdz6m00aaaaaaaaaaaaaaaa ended as DEAD.

Type:      WEBHOOK_CALL
Reason:    all 2 attempts failed
Attempts:  2 of 2
Submitted: 2026-02-02T02:39:19.000Z
Started:   2026-02-02T02:39:59.000Z
Ended:     2026-02-02T02:40:00.000Z
Tags:      order=4711

Error:
  ReceiverFailedError: https://partner.example.com/orders answered 503:  (tasks/webhook_call.py:116)

Log of the last attempt:
  POST partner.example.com: 503

Taskyard prod sent this because the task asks for it (notify).
"""
    )


def test_of_a_workflow() -> None:
    assert email.subject(note("deliver_workflow")) == "Workflow nightly import timed out: 01kgdz6m00bbbbbbbbbbbbbbbb"
    said = email.text(note("deliver_workflow"), environment="dev")
    assert "Nodes:     4 CANCELLED, 6 SUCCESS" in said
    assert "Attempts" not in said


def test_a_name_begins_no_header() -> None:
    given = note("deliver_workflow")
    given.body["data"]["name"] = "nightly\r\nBcc: other@example.com" + "x" * 500
    assert "\n" not in email.subject(given)
    assert len(email.subject(given)) <= 200
