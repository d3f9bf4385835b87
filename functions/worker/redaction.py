"""Keeps the sensitive parts of a payload out of what its attempt leaves behind: errors, log lines, progress."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import fields, replace
from typing import Any

from functions.core.outcomes import Failed, Outcome
from functions.core.payloads.masking import NO_REDACTION, Redaction

_current: ContextVar[Redaction] = ContextVar("redaction", default=NO_REDACTION)
"""Of the attempt that runs here. A handler's thread and its coroutines are started with a copy of the context."""


@contextlib.contextmanager
def redacting(redaction: Redaction) -> Iterator[None]:
    """What is logged in this block, by the handler too and by whatever it calls, holds none of the secrets."""
    token = _current.set(redaction)
    try:
        yield
    finally:
        _current.reset(token)


def redacted(outcome: Outcome, redaction: Redaction) -> Outcome:
    """A result is the handler's own and stays as it is; of a failure every text is cleaned."""
    if not redaction.secrets or not isinstance(outcome, Failed):
        return outcome
    values = {each.name: getattr(outcome, each.name) for each in fields(outcome)}
    texts: dict[str, Any] = {name: redaction.text(text) for name, text in values.items() if isinstance(text, str)}
    return replace(outcome, **texts)


class RedactingFilter(logging.Filter):
    """Of the handlers that write a function's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        redaction = _current.get()
        if redaction.secrets:
            clean(record, redaction)
        return True


def clean(record: logging.LogRecord, redaction: Redaction) -> None:
    try:
        message = record.getMessage()
    except Exception:
        # Arguments that do not fit their message: logging reports that, and quotes them.
        message = str(record.msg)
    text = redaction.text(message)
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    if trace and redaction.text(trace) != trace:
        # As text: formatters would read it off the exception again.
        text = f"{text}\n{redaction.text(trace)}"
        record.exc_info = record.exc_text = None
    if text != message or record.args:
        record.msg, record.args = text, None


FILTER = RedactingFilter()


def install() -> None:
    """On what writes the log of this process. Done twice it is done once."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(FILTER)
