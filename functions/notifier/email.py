"""Subject and text of a mail that notifies of the end of a task or workflow run."""

from __future__ import annotations

from typing import Any

from functions.core.notifications.events import Notification

SUBJECT_LIMIT = 200
MAX_LOG_LINES = 20


def subject(notification: Notification) -> str:
    data = notification.body["data"]
    title = f"Task {data['type']}" if notification.owner == "task" else f"Workflow {data['name']}"
    # Type and name are free text: a line break in them would begin a mail header.
    return " ".join(
        f"{title} {notification.body['type'].partition('.')[2].replace('_', ' ')}: {notification.id}".split()
    )[:SUBJECT_LIMIT]


def text(notification: Notification, *, environment: str) -> str:
    data: Any = notification.body["data"]
    lines = [f"{'Task' if notification.owner == 'task' else 'Workflow'} {data['id']} ended as {data['state']}.", ""]
    facts = {
        "Type": data.get("type"),
        "Name": data.get("name"),
        "Reason": data["reason"],
        "Attempts": f"{data['attempt']} of {data['maxAttempts']}" if "attempt" in data else None,
        "Nodes": ", ".join(f"{count} {state}" for state, count in sorted(data.get("counts", {}).items())) or None,
        "Submitted": data["createdAt"],
        "Started": data["startedAt"],
        "Ended": data["endedAt"],
        "Tags": ", ".join(f"{key}={value}" for key, value in data.get("tags", {}).items()) or None,
    }
    lines += [f"{name + ':':<11}{value}" for name, value in facts.items() if value]
    if error := data.get("error"):
        where = f" ({error['where']})" if error["where"] else ""
        lines += ["", "Error:", f"  {error['type']}: {error['message']}{where}"]
    if log := data.get("log"):
        lines += ["", "Log of the last attempt:", *(f"  {line}" for line in log[-MAX_LOG_LINES:])]
    lines += ["", f"Taskyard {environment} sent this because the {notification.owner} asks for it (notify)."]
    return "\n".join(lines) + "\n"
