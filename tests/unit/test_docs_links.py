"""Links of the documentation: each relative one leads to a file and a heading, and the index leads to every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, pages

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
PATH = re.compile(r"`((?:functions|infra|local|client|tests|events|docs|requirements|\.github)/[\w./*-]*)[`:]")
EXAMPLES = {"functions/tasks/resize_image.py", "tests/integration/test_task_resize_image.py", "docs/adr/NNNN-what.md"}
"""Files that a page tells its reader to write."""
FOLDERS = ("functions", "infra", "local", "client", "tests")
INDEX = ROOT / "docs" / "README.md"


def prose(page: Path) -> str:
    """The page without its fenced blocks and without code in its lines, where brackets are not links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))


def relative_links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def broken(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_docs_relative_links_lead_somewhere(page: Path) -> None:
    assert [link for link in relative_links(page) if broken(page, link)] == []


def test_docs_link_without_its_file_or_heading_is_broken() -> None:
    page = ROOT / "README.md"
    assert broken(page, "docs/no-such-page.md")
    assert broken(page, "docs/glossary.md#no-such-heading")
    assert not broken(page, "docs/glossary.md#glossary")


def test_docs_index_links_every_page() -> None:
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in relative_links(INDEX)}
    documentation = {page for page in pages() if page.is_relative_to(INDEX.parent)} - {INDEX}
    assert documentation - linked == set()


def test_readme_links_the_index() -> None:
    assert "docs/README.md" in relative_links(ROOT / "README.md")


@pytest.mark.parametrize("page", pages(), ids=name)
def test_docs_paths_of_the_repository_exist(page: Path) -> None:
    """In backticks, such as `infra/config.py` or `functions/tasks/`. The changelog also names what is gone."""
    if page.name != "CHANGELOG.md":
        assert [path for path in PATH.findall(page.read_text()) if not there(path)] == []


def there(path: str) -> bool:
    """`path` may have a pattern in it (`workload*.py`) and a line behind it (`resize_image.py:19`)."""
    return path in EXAMPLES or any(True for _ in ROOT.glob(path.rstrip("/")))


def test_code_and_pages_refer_to_no_page_outside_the_repository() -> None:
    """By a section sign: sections of standards are written out, as in "RFC 9112, section 8"."""
    code = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    assert [name(path) for path in (*code, *pages()) if "\N{SECTION SIGN}" in path.read_text()] == []
