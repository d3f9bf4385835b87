"""What may stand in the header of a mail. A line break in one of its fields would begin another."""

from __future__ import annotations

import re

ADDRESS = r"^[^@\s<>,;\x00-\x1f\x7f]{1,64}@[^@\s<>,;\x00-\x1f\x7f]{1,255}$"
"""No more than shape: whether an address exists only its server knows."""
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""A subject, or the name of somebody: no control characters, which line breaks are, and no other end of a line."""


def one_line(text: str) -> str:
    """As a validator. Raises ValueError."""
    if not re.fullmatch(ONE_LINE, text):
        raise ValueError("must be one line, without control characters")
    return text
