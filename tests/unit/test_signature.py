"""Signatures, as the published library of Standard Webhooks verifies them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from taskyard.tasks import signature

KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"[0-9a-z]{26}-[0-9]{1,3}-[0-9]{13}-[0-9]", fullmatch=True)


def now() -> int:
    return int(datetime.now(UTC).timestamp())


@given(key=KEYS, id=IDS, body=st.text(max_size=500))
def test_the_library_verifies_them(key: bytes, id: str, body: str) -> None:
    headers = signature.signature_headers([key], id=id, at=now(), body=body.encode())
    assert Webhook(key).verify(body.encode(), headers, json_parse=False) is None


@given(keys=st.lists(KEYS, min_size=1, max_size=3, unique=True), id=IDS, body=st.text(max_size=100))
def test_each_key_signs(keys: list[bytes], id: str, body: str) -> None:
    headers = signature.signature_headers(keys, id=id, at=now(), body=body.encode())
    assert headers["webhook-signature"].count("v1,") == len(keys)
    for key in keys:
        Webhook(key).verify(body.encode(), headers, json_parse=False)


@given(key=KEYS, other=KEYS, body=st.text(max_size=100))
def test_another_key_or_body_does_not(key: bytes, other: bytes, body: str) -> None:
    headers = signature.signature_headers([key], id="id", at=now(), body=body.encode())
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify((body + " ").encode(), headers)
    if key != other:
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(body.encode(), headers)


def test_an_old_one_is_refused_by_the_library() -> None:
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(b"key").verify(b"{}", signature.signature_headers([b"key"], id="id", at=now() - 3600, body=b"{}"))


@given(key=KEYS)
def test_a_secret_is_read_as_the_library_reads_it(key: bytes) -> None:
    encoded = base64.b64encode(key).decode()
    for written in (encoded, f"whsec_{encoded}", f" whsec_{encoded}\n", encoded.rstrip("=")):
        assert signature.signing_key(written) == key
    body = b"{}"
    headers = signature.signature_headers([signature.signing_key(f"whsec_{encoded}")], id="id", at=now(), body=body)
    Webhook(f"whsec_{encoded}").verify(body, headers)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "not base64!", "whsec_ä", "c2hvcnQ=", base64.b64encode(b"x" * 23).decode()]
)
def test_what_is_no_secret_is_said(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        signature.signing_key(secret)
