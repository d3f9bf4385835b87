"""GET /docs: one answer, whole and offline."""

from __future__ import annotations

import gzip
import json
import re

from tests.integration.api import Api, request
from tests.integration.cloud import Cloud, event

LAMBDA_ANSWER_BYTES = 6_291_556


def test_the_page_is_whole(api: Api) -> None:
    answer = api("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.body.decode()
    assert "SwaggerUIBundle(" in page
    outside = [url for url in re.findall(r'(?:src|href)="([^"]+)"', page) if url.startswith(("http", "//"))]
    assert outside == []
    spec = re.search(r"^  spec: (.*),$", page, re.MULTILINE)
    assert spec is not None
    assert json.loads(spec[1].replace("<\\/", "</")) == api("GET", "/openapi.json").body


def test_it_is_gzipped_for_who_takes_it(api: Api) -> None:
    small = api.send(event("api", "get_docs"))
    assert small.headers["content-encoding"] == "gzip"
    plain = api("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(small.body) == plain.body


def test_it_fits_an_answer(aws: Cloud) -> None:
    page = request("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert len(json.dumps(aws.invoke("api", page))) < LAMBDA_ANSWER_BYTES / 2
