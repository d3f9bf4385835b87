"""The tasks of the demo, and how each of them should end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskyard import Task
from taskyard.cli.text import seconds, status_note

from local.template.cloud_assembly import PROJECT

REQUESTS = PROJECT / "events" / "requests"

# A task that waits should start within about a second of its time; a busy laptop gets some more before it is a fault.
LATE_AFTER_SECONDS = 5.0

# The seed with which FAIL_SOMETIMES at probability 0.5 fails its first attempt and not its second.
FAILS_ONCE = 2

# The types whose success is a mail sent.
MAIL_TYPES = frozenset({"SEND_EMAIL", "email", "welcome-email"})

QUICK_RETRY = {"strategy": "fixed", "baseSeconds": 1, "jitter": 0}


@dataclass(frozen=True)
class Case:
    """One submit. body: as POST /tasks takes it. attempts: how many it should need. waits: seconds until it is due;
    what waits is held to its time."""

    label: str
    body: bytes
    expected_state: str = "SUCCESS"
    attempts: int = 1
    delay_seconds: float = 0


def request_cases(folder: Path = REQUESTS) -> list[Case]:
    """The bodies in events/requests/, byte for byte."""
    delays = {"distributed": 60.0}
    return [
        Case(f"{file.name}", file.read_bytes(), delay_seconds=delays.get(file.stem, 0))
        for file in sorted(folder.glob("*.json"))
    ]


def example_cases(receiver_url: str) -> list[Case]:
    """The example task types, each with the ends that it can come to."""

    def case(
        label: str, type: str, payload: Mapping[str, Any], expected_state: str, attempts: int, **fields: Any
    ) -> Case:
        body = json.dumps({"type": type, "payload": payload, **fields}).encode()
        return Case(label, body, expected_state, attempts, float(fields.get("delaySeconds", 0)))

    mail = {"to": "ada@example.com", "subject": "It runs", "content": "<p>A task sent this mail.</p>"}
    order = {"order": 17, "status": "shipped"}
    return [
        case("mail", "SEND_EMAIL", mail, "SUCCESS", 1),
        case("message in 3 s", "DELAYED_MESSAGE", {"message": "three seconds later"}, "SUCCESS", 1, delaySeconds=3),
        case("fails once", "FAIL_SOMETIMES", {"probability": 0.5, "seed": FAILS_ONCE}, "SUCCESS", 2, retry=QUICK_RETRY),
        case("always fails", "FAIL_SOMETIMES", {"probability": 1.0}, "DEAD", 3, maxRetries=2, retry=QUICK_RETRY),
        case("webhook, busy at first", "WEBHOOK_CALL", {"url": f"{receiver_url}/orders", "body": order}, "SUCCESS", 2),
        case("webhook, nobody there", "WEBHOOK_CALL", {"url": f"{receiver_url}/gone", "body": order}, "FAILED", 1),
    ]


def mismatches(case: Case, task: Task) -> list[str]:
    """Differences between a task and its case; empty when there are none."""
    if not task.settled:
        return [f"{case.label}: still {task.state}"]
    differences = []
    if task.state != case.expected_state:
        differences.append(f"{case.label}: {task.state} instead of {case.expected_state} ({status_note(task)})")
    if task.attempt != case.attempts:
        differences.append(f"{case.label}: took {task.attempt} attempts instead of {case.attempts}")
    drift = task.drift_seconds
    if case.delay_seconds and (drift is None or not 0 <= drift <= LATE_AFTER_SECONDS):
        differences.append(f"{case.label}: started {seconds(drift) or 'never'} after its time")
    return differences
