"""Which keys there are, and that each of them is one key wherever it is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from taskyard import TaskSpec
from taskyard.api import dead_letters
from taskyard.api.schedules import calls as schedule_calls
from taskyard.api.tasks import batch, bulk_cancel, calls
from taskyard.api.workflows import calls as workflow_calls
from taskyard.transport.idempotency_keys import checked_key, key_header

from functions.intake.idempotency_key import parse_key_header

KEYS = [
    "order-1001",
    "заказ-17",
    "bestellung-ü",
    "注文 17",
    "🚀",
    "voilà",  # in UTF-8 it ends with what Latin-1 calls a space
    "100%",
    "%41",
    "a b",
    '"quoted"',
    '"',
    '%"display"',
    '%"%41"',
    "back\\slash",
    '\\"',
    "Ã¼",  # what "ü" is when its UTF-8 is read as Latin-1
    "k" * 256,
    "ü" * 256,
]


@pytest.mark.parametrize("key", KEYS)
def test_key_in_the_header_is_the_key_in_the_field(key: str) -> None:
    (value,) = key_header(key).values()
    assert value.isascii()
    assert parse_key_header(value) == key == checked_key(key)


@pytest.mark.parametrize("key", [key for key in KEYS if not key.startswith(('"', '%"')) and key != "Ã¼"])
@pytest.mark.parametrize("gateway", ["utf-8", "latin-1"])
def test_plain_key_is_the_same_in_every_decoding_of_a_gateway(key: str, gateway: str) -> None:
    assert parse_key_header(key.encode().decode(gateway)) == key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "1 to 256 characters, not 0"),
        ("  \t ", "1 to 256 characters, not 0"),
        ("k" * 257, "1 to 256 characters, not 257"),
        ("a\nb", r"'\\n'"),
        ("a\rb", "printable"),
        ("a\x00b", "printable"),
        ("a\x1b[2Jb", "printable"),
        ("\ud800", r"'\\ud800'"),
        ("a\u200bb", "printable"),
        (17, "a string, not 17"),
    ],
)
def test_invalid_key_is_refused_before_it_is_sent(key: str, why: str) -> None:
    for make in (
        lambda: calls.submit("X", idempotency_key=key),
        lambda: calls.submit_body(b"{}", key),
        lambda: workflow_calls.submit({}, idempotency_key=key),
        lambda: workflow_calls.submit_body(b"{}", key),
        lambda: schedule_calls.create({}, rate="1 day", idempotency_key=key),
        lambda: schedule_calls.run("s", key),
        lambda: list(batch.batches([TaskSpec(type="X", idempotency_key=key)])),
    ):
        with pytest.raises(ValueError, match=why):
            make()


def test_every_change_has_its_own_key() -> None:
    def made() -> list[str]:
        return [
            call.request.headers["idempotency-key"]
            for call in (
                calls.submit("X"),
                calls.submit_body(b"{}"),
                calls.update("t", run_at=datetime(2026, 2, 1, tzinfo=UTC)),
                dead_letters.retry("t"),
                dead_letters.redrive(False, None, {}),
                *bulk_cancel.cancel_many(["t"]),
                workflow_calls.submit({}),
                workflow_calls.retry("w"),
                schedule_calls.create({}, rate="1 day"),
                schedule_calls.run("s"),
            )
        ]

    assert len({*made(), *made()}) == 20


def test_payload_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        calls.submit("X", json.loads('{"name": "\\ud800"}'))
