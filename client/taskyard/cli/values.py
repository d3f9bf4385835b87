"""Converts texts of the command line to values."""

import argparse
import re
from datetime import datetime
from typing import Any

from taskyard.api.notifications import EmailTarget, On, WebhookTarget
from taskyard.files.json_and_yaml import parse_json, read_bytes
from taskyard.times import from_iso_time, parse_duration

NOTIFY_ON: dict[str, On] = {"success": "success", "failure": "failure", "both": "both"}
NOTIFY_TARGET = re.compile(r"(.+?)((?:,(?:on|secret)=[^,]*)*)")


def read_payload(text: str | None) -> Any:
    """`{"a": 1}`, `@file.json` or `-` → the payload; None when there is none."""
    if text is None:
        return None
    source = text if text == "-" else text.removeprefix("@")
    content: str | bytes = read_bytes(source) if text == "-" or text.startswith("@") else text
    try:
        return parse_json(content)
    except ValueError as error:
        raise ValueError(f"--payload is not JSON: {error}") from error


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def instant(text: str) -> datetime:
    try:
        return from_iso_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def priority(text: str) -> int | str:
    if text.isdigit():
        return int(text)
    if text.lower() in ("high", "normal", "low"):
        return text.lower()
    raise argparse.ArgumentTypeError(f"{text!r} is not 0 to 9, high, normal or low")


def retry(text: str) -> dict[str, Any]:
    """`fixed,base=2,max=60,jitter=0` → the fields of the API."""
    strategy, *parts = text.split(",")
    policy: dict[str, Any] = {"strategy": strategy}
    names = {"base": "baseSeconds", "max": "maxSeconds", "jitter": "jitter"}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            policy[names[name]] = float(value) if name == "jitter" else parse_duration(value)
        except (KeyError, ValueError):
            raise argparse.ArgumentTypeError(f"{part!r}: write base=2, max=60 or jitter=0.5") from None
    if strategy not in ("exponential", "fixed"):
        raise argparse.ArgumentTypeError(f"{strategy!r} is not exponential or fixed")
    return policy


def tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def notify(text: str) -> WebhookTarget | EmailTarget:
    """`https://host/path,on=failure,secret=partner` or `ops@example.com,on=failure`. A URL may contain commas."""
    match = NOTIFY_TARGET.fullmatch(text)
    to, options_text = (match[1], match[2]) if match else (text, "")
    options = dict(part.split("=", 1) for part in options_text.split(",")[1:])
    if options.get("on", "both") not in NOTIFY_ON:
        raise argparse.ArgumentTypeError(f"on={options['on']}: write success, failure or both")
    on = NOTIFY_ON[options["on"]] if "on" in options else None
    if "://" in to:
        return WebhookTarget(to, on, options.get("secret"))
    if "@" in to and "secret" not in options:
        return EmailTarget(to, on)
    raise argparse.ArgumentTypeError(f"{text!r} is not a URL or a mail address; only a URL has a secret")
