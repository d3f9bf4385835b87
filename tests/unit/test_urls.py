"""The one rule for URLs that callers give; and what of a URL may be shown."""

from __future__ import annotations

import pytest
from taskyard.tasks.urls import origin, url_problem, without_target


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a?b=c",
        "http://example.com:8080",
        "https://example.com./",
        "https://user_1.internal-host/",
        "https://xn--bcher-kva.example/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/",
        "https://1password.com/",
        "https://a.1and1/",
        "https://example.com/a@b",
    ],
)
def test_a_url_that_can_be_called_has_no_problem(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://bücher.example/", "punycode: xn--bcher-kva.example"),
        ("https://BÜCHER.example:8443/x", "punycode: xn--bcher-kva.example"),
        ("https://example.com/ä", "percent-encode"),
        ("http://１２７.0.0.1/", "ASCII"),
        ("http://①②⑦.0.0.1/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com/\r\nX: y", "ASCII"),
        ("https://example.com/\x00", "ASCII"),
        ("ftp://example.com/", "https URL"),
        ("file:///etc/passwd", "https URL"),
        ("gopher://127.0.0.1:6379/_INFO", "https URL"),
        ("//example.com/", "https URL"),
        ("example.com", "https URL"),
        ("https://", "https URL"),
        ("https:///path", "https URL"),
        ("https://example.com:0/", "https URL"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:8a/", "not a URL"),
        ("https://a:b@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com\\@127.0.0.1/", "credentials"),
        ("https://example.com#@127.0.0.1/", "fragment"),
        ("https://example.com/#a", "fragment"),
        ("https://example.com\\.evil.test/", "neither a name nor an address"),
        ("https://a..b/", "neither a name nor an address"),
        ("https://.a/", "neither a name nor an address"),
        ("https://a%2eb/", "neither a name nor an address"),
        ("https://[::1]evil.test/", "neither a name nor an address"),
        ("https://evil.test[::1]/", "not a URL|neither a name nor an address"),
        ("https://[fe80::1%25eth0]/", "neither a name nor an address"),
        ("https://[::1/", "not a URL"),
        ("https://[1:2]/", "not a URL|IPv6"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("http://0x7f.0.0.1/", "four decimal numbers"),
        ("http://0177.0.0.1/", "four decimal numbers"),
        ("http://127.1/", "four decimal numbers"),
        ("http://127.0.0.1./", "four decimal numbers"),
        ("http://127.0.0.256/", "four decimal numbers"),
        ("http://0/", "four decimal numbers"),
        ("http://1.2.3.4.5/", "four decimal numbers"),
        ("http://a.0x7f/", "four decimal numbers"),
    ],
)
def test_a_url_that_cannot_be_called_is_told_why(url: str, problem: str) -> None:
    found = url_problem(url)
    assert found is not None
    assert any(words in found for words in problem.split("|")), found


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/services/T0/token?x=y", "https://hooks.example.com"),
        ("http://127.0.0.1:8080?token=1", "http://127.0.0.1:8080"),
        ("https://user:password@example.com/", "https://example.com"),
        ("https://[::1", "(not a URL)"),
    ],
)
def test_of_a_url_its_origin_is_shown(url: str, shown: str) -> None:
    assert origin(url) == shown


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("Cannot POST /services/T0/s3cr3t-token", "https://a/services/T0/s3cr3t-token"),
        ("no s3cr3t-token here", "https://a/services/s3cr3t-token/"),
        ("bad key s3cr3t-token", "https://a/?key=s3cr3t-token&x=1"),
        ("no /s3cr3t token", "https://a/s3cr3t%20token"),
        ("/s3cr3t?s3cr3t", "https://a/s3cr3t?s3cr3t"),
    ],
)
def test_what_a_receiver_repeats_of_a_url_is_left_out(text: str, url: str) -> None:
    assert "s3cr3t" not in without_target(text, url)


def test_what_it_says_beside_that_stays() -> None:
    assert without_target("Cannot POST /in: not found", "https://a/in") == "Cannot POST …: not found"
    assert without_target("and/or", "https://a/") == "and/or"
