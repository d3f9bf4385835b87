"""Mail addresses in logs and in the errors of others."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"([^\s@<>()\[\],;:'\"])[^\s@<>()\[\],;:'\"]*@([^\s@<>()\[\],;:'\"]+)")


def masked(text: str) -> str:
    """`text` with every address in it as `a***@example.com`: enough to know one by, too little to write to."""
    return ADDRESS.sub(r"\1***@\2", text)
