"""Mail: what `ctx.mail` does, what may stand in a mail's header, and addresses in logs."""

from __future__ import annotations

import re
from typing import Protocol

ADDRESS = r"^[^@\s<>,;\x00-\x1f\x7f]{1,64}@[^@\s<>,;\x00-\x1f\x7f]{1,255}$"
"""Checks only the shape of an address. Only its mail server knows whether it exists."""
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""A subject, or a person's name: no control characters and no line separators. A line break in a field of a mail's
header would begin another field."""
ADDRESS_IN_TEXT = re.compile(r"([^\s@<>()\[\],;:'\"])[^\s@<>()\[\],;:'\"]*@([^\s@<>()\[\],;:'\"]+)")


class Mail(Protocol):
    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        """Returns the message id. `sender`: None is the deployment's own."""


def one_line(text: str) -> str:
    """A validator for pydantic. Raises ValueError."""
    if not re.fullmatch(ONE_LINE, text):
        raise ValueError("must be one line, without control characters")
    return text


def mask_addresses(text: str) -> str:
    """`text` with every address in it as `a***@example.com`: enough to recognise one, too little to write to."""
    return ADDRESS_IN_TEXT.sub(r"\1***@\2", text)
