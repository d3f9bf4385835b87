"""Mail addresses as they may be logged."""

from __future__ import annotations

import pytest
from taskyard.tasks.mail import mask_addresses


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ada@example.com", "a***@example.com"),
        ("a@example.com", "a***@example.com"),
        ("ada@example.com, bob.smith+x@mail.example.org", "a***@example.com, b***@mail.example.org"),
        ("Ada Lovelace <ada@example.com>", "Ada Lovelace <a***@example.com>"),
        (
            "failed the check in region US-EAST-1: ada@example.com",
            "failed the check in region US-EAST-1: a***@example.com",
        ),
        ("ü@bücher.example", "ü***@bücher.example"),
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("no address @ all", "no address @ all"),
        ("", ""),
    ],
)
def test_of_an_address_its_first_letter_and_its_domain_are_shown(text: str, shown: str) -> None:
    assert mask_addresses(text) == shown
