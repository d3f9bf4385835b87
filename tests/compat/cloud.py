"""A cloud whose content is written to a file, and read from one: table, documents, wake-ups, timers, schedules."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.cloud import TIMER_GROUP
from tests.integration.quick import Message, Quick, Service

Service.exceptions.ConflictException = type("ConflictException", (Exception,), {})
Service.exceptions.ResourceNotFoundException = type("ResourceNotFoundException", (Exception,), {})
Service.exceptions.ValidationException = type("ValidationException", (Exception,), {})


@dataclass
class CompatCloud(Quick):
    """`scheduled`: what is in EventBridge Scheduler, by group and name."""

    scheduled: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _scheduler(self, operation: str, arguments: dict[str, Any]) -> Any:
        key = f"{arguments['GroupName']}/{arguments['Name']}"
        if operation == "create_schedule":
            if key in self.scheduled:
                raise Service.exceptions.ConflictException
        elif key not in self.scheduled:
            raise Service.exceptions.ResourceNotFoundException
        if operation == "delete_schedule":
            return self.scheduled.pop(key)
        if operation == "get_schedule":
            return self.scheduled[key]
        self.scheduled[key] = json.loads(json.dumps(arguments, default=str))
        return {}

    def _ses(self, operation: str, arguments: dict[str, Any]) -> Any:
        return {"MessageId": "0100-compat"}

    _sesv2 = _ses

    def save(self, file: Path, **more: Any) -> None:
        """An item per line, so that a difference is readable."""
        content = {
            **more,
            "now": self.clock(),
            "scheduled": self.scheduled,
            "messages": [message.body for message in self.messages.values()],
            "documents": {key: _pack(body) for key, body in sorted(self.documents.items())},
        }
        lines = [json.dumps(item, sort_keys=True) for item in sorted(self.table.items(), key=_key)]
        head = json.dumps(content, indent=1)[:-2]
        file.write_text(head + ',\n "items": [\n' + ",\n".join(lines) + "\n]}\n")

    def load(self, content: Mapping[str, Any]) -> None:
        """What `save` has written. All wake-ups are due, as after a while."""
        for item in content["items"]:
            self.table.call("put_item", {"TableName": self.env["TABLE_NAME"], "Item": item})
        self.scheduled.update(content["scheduled"])
        self.documents.update({key: _unpack(text) for key, text in content["documents"].items()})
        for body in content["messages"]:
            self.deliver_body(body)

    def deliver_body(self, body: str) -> None:
        """A wake-up that is due."""
        name = f"loaded-{len(self.messages)}"
        self.messages[name] = Message(name, body, self.clock())

    def fire_timers(self) -> None:
        """Every timer of a task, into its lane."""
        for key in [key for key in self.scheduled if key.startswith(f"{TIMER_GROUP}/")]:
            self.deliver_body(self.scheduled.pop(key)["Target"]["Input"])


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _pack(body: Any) -> str:
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return base64.b64encode(zlib.compress(raw, 9)).decode()


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
