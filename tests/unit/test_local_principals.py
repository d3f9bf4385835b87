from __future__ import annotations

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.aws.principals import Principals, Signature
from local.http_server import Request


def test_keys_and_secrets_are_made_anew_at_each_start() -> None:
    starts = [Principals().add("admin", "arn:aws:iam::123456789012:user/admin", None) for _ in range(2)]
    assert len({start.access_key for start in starts} | {start.secret for start in starts}) == 4
    assert all(start.secret not in repr(start) for start in starts)


def test_a_key_of_another_start_is_nobody_s() -> None:
    assert Principals().get(Principals().add("a", "arn:aws:iam::1:user/a", None).access_key) is None


def sent(method: str, target: str, body: bytes, service: str, secret: str = "secret") -> Request:
    made = AWSRequest(method, f"http://127.0.0.1:1{target}", data=body, headers={"x-thing": "a  b"})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials("KEY", secret, "token"), service, "us-east-1").add_auth(made)
    headers = {name.lower(): value for name, value in made.headers.items()}
    return Request(method, target, headers | {"host": "127.0.0.1:1"}, body)


@pytest.mark.parametrize("service", ["dynamodb", "s3", "execute-api"])
@pytest.mark.parametrize("target", ["/", "/a/b%20c?x=1&y=%2F&x=0", "/a%2Fb", "/a//b/../c", "/a?b", "/?="])
@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\x00"])
def test_what_botocore_signs_is_taken(service: str, target: str, body: bytes) -> None:
    request = sent("POST", target, body, service)
    signature = Signature.from_request(request)
    assert signature is not None
    assert (signature.access_key, signature.service) == ("KEY", service)
    assert signature.is_valid("secret", request)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("method", "PUT"),
        ("target", "/b"),
        ("target", "/a?b=c"),
        ("body", b"other"),
        ("x-thing", "c"),
        ("host", "localhost:2"),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-security-token", "other"),
    ],
)
def test_what_was_changed_after_it_was_signed_is_not(change: str, value: str | bytes) -> None:
    request = sent("POST", "/a", b"hello", "execute-api")
    if change in request.headers:
        request.headers[change] = str(value)
    else:
        setattr(request, change, value)
    signature = Signature.from_request(request)
    assert signature is not None
    assert not signature.is_valid("secret", request)


@pytest.mark.parametrize("header", ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e"])
def test_what_is_no_signature_is_none(header: str) -> None:
    assert (
        Signature.from_request(Request("GET", "/", {"authorization": header, "x-amz-date": "20260101T000000Z"})) is None
    )
