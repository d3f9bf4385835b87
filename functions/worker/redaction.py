"""Removes the sensitive values of a payload from what its attempt leaves behind: errors, log lines, progress."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import fields, replace
from typing import Any

from functions.core.outcomes import Failed, Outcome
from functions.core.payloads.masking import NO_SECRETS, SecretRedactor

_current: ContextVar[SecretRedactor] = ContextVar("redactor", default=NO_SECRETS)
"""Of the attempt that runs here. The thread and the coroutines of a handler start with a copy of this context."""


@contextlib.contextmanager
def redacted_logging(redactor: SecretRedactor) -> Iterator[None]:
    """What the handler, and everything that it calls, logs in this block contains no sensitive value."""
    token = _current.set(redactor)
    try:
        yield
    finally:
        _current.reset(token)


def redact_outcome(outcome: Outcome, redactor: SecretRedactor) -> Outcome:
    """Redacts every text of a failure. A result is the handler's own data and stays as it is."""
    if not redactor.secrets or not isinstance(outcome, Failed):
        return outcome
    values = {each.name: getattr(outcome, each.name) for each in fields(outcome)}
    texts: dict[str, Any] = {name: redactor.redact_text(text) for name, text in values.items() if isinstance(text, str)}
    return replace(outcome, **texts)


class RedactingFilter(logging.Filter):
    """On the log handlers that write the log of a function."""

    def filter(self, record: logging.LogRecord) -> bool:
        redactor = _current.get()
        if redactor.secrets:
            redact_log_record(record, redactor)
        return True


def redact_log_record(record: logging.LogRecord, redactor: SecretRedactor) -> None:
    """In place."""
    try:
        message = record.getMessage()
    except Exception:
        # The arguments do not fit the message. logging reports that, and its report quotes them.
        message = str(record.msg)
    text = redactor.redact_text(message)
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    if trace and redactor.redact_text(trace) != trace:
        # Kept as text: a formatter would format the exception again.
        text = f"{text}\n{redactor.redact_text(trace)}"
        record.exc_info = record.exc_text = None
    if text != message or record.args:
        record.msg, record.args = text, None


FILTER = RedactingFilter()


def install_filter() -> None:
    """On all log handlers of this process. A second call changes nothing."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(FILTER)
