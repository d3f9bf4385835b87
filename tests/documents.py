"""The examples of README.md and docs/, as tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block. `line`: of its first line in the document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the example is, when its first line names one."""
        named = re.match(r"# (\S+\.py)\n", self.text)
        return named[1] if named else None


def pages() -> list[Path]:
    """Every page that a reader may open: README, CONTRIBUTING, CHANGELOG, docs/ with its ADRs, events/, examples/."""
    folders = ("docs", "events", "examples")
    return sorted({*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))})


def examples(*languages: str) -> list[Example]:
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text()
        for block in BLOCK.finditer(text):
            if block[1] in languages:
                line = text.count("\n", 0, block.start(2)) + 1
                found.append(Example(str(path.relative_to(ROOT)), line, block[1], block[2]))
    return found


def example_of(file: str) -> Example:
    """The one that is this file."""
    [found] = [each for each in examples("python") if each.file == file]
    return found
