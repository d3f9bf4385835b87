"""What can be read of requests and answers without sending any."""

from __future__ import annotations

import pytest
from taskyard.tasks.http import headers_problem, retry_after_seconds

NOW = 1_770_000_000.0  # 2026-02-02T02:40:00Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Mon, 02 Feb 2026 02:41:00 GMT"}, 60.0),
        ({"retry-after": "Mon, 02 Feb 2026 02:39:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 02 Feb 2026 03:41:00 +0100"}, 60.0),
        ({"retry-after": "Mon, 02 Feb 2026 02:42:00 GMT", "date": "Mon, 02 Feb 2026 02:41:00 GMT"}, 60.0),
        ({"retry-after": "Mon, 02 Feb 2026 02:42:00 GMT", "date": "yesterday"}, 120.0),
        ({"retry-after": "Mon, 02 Feb 2026 02:42:00 GMT", "date": "Mon, 02 Feb 2026 02:42:00 +999999999999"}, 120.0),
        # What cannot be meant is not heard.
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "+5"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "１２"}, None),
        ({"retry-after": "120, 240"}, None),
        ({"retry-after": "9999999999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"retry-after": "Mon, 02 Feb 2026 02:41:00"}, None),
        ({"retry-after": "Mon, 02 Feb 2026 02:41:00 -0000"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -9999"}, None),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"}, None),
        ({"retry-after": ","}, None),
        ({"retry-after": "\x00"}, None),
        ({"retry-after": "Mon,"}, None),
    ],
)
def test_retry_after_is_read_or_ignored(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"X-Mine": "a b\tü"}, None),
        ({"X\r\nY": "1"}, "no header name"),
        ({"X Y": "1"}, "no header name"),
        ({"X:": "1"}, "no header name"),
        ({"": "1"}, "no header name"),
        ({"Ü": "1"}, "no header name"),
        ({"X": "1\r\nY: 2"}, "characters"),
        ({"X": "1\nY: 2"}, "characters"),
        ({"X": "1\n"}, "characters"),
        ({"X": "1\r"}, "characters"),
        ({"X": "\x00"}, "characters"),
        ({"X": "€"}, "characters"),
        ({"Host": "b"}, "set by the request itself"),
        ({"host": "b"}, "set by the request itself"),
        ({"Content-Length": "0"}, "set by the request itself"),
        ({"Transfer-Encoding": "chunked"}, "set by the request itself"),
        ({"Connection": "close"}, "set by the request itself"),
        ({"Expect": "100-continue"}, "set by the request itself"),
        ({"Upgrade": "h2c"}, "set by the request itself"),
    ],
)
def test_headers_that_cannot_be_sent_are_told_why(headers: dict[str, str], problem: str | None) -> None:
    found = headers_problem(headers)
    assert found is None if problem is None else problem in (found or "")
