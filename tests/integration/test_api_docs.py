"""GET /docs: one answer, whole and offline."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess

import pytest

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
    spec = re.search(r'<script type="application/json" id="spec">(.*)</script>$', page, re.MULTILINE)
    assert spec is not None
    assert "<" not in spec[1]
    assert json.loads(spec[1]) == api("GET", "/openapi.json").body


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (each.split() for each in policy.split(";"))}


def scripts(page: str) -> list[str]:
    """As a browser finds them: from the tag to the next end tag. Those that are data are left out."""
    return re.findall(r"<script>(.*?)</script", page, re.DOTALL)


def test_policy_lets_exactly_the_scripts_of_the_page_run(api: Api) -> None:
    answer = api("GET", "/docs", headers={"Accept-Encoding": "identity"})
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts(answer.body.decode())
    ]
    assert len(hashes) == 2
    assert directives(answer.headers["content-security-policy"])["script-src"] == hashes


def test_policy_lets_requests_go_to_this_api_only(api: Api) -> None:
    policy = directives(api("GET", "/docs").headers["content-security-policy"])
    assert (policy["default-src"], policy["connect-src"]) == (["'none'"], ["'self'"])
    assert (policy["form-action"], policy["base-uri"], policy["frame-ancestors"]) == (["'none'"],) * 3
    sources = {source for values in policy.values() for source in values}
    assert {source for source in sources if source in ("*", "'unsafe-eval'") or "://" in source} == set()
    assert "'unsafe-inline'" not in policy["script-src"]


def test_page_has_no_handlers_of_events_in_elements(api: Api) -> None:
    """The policy stops them."""
    page = api("GET", "/docs", headers={"Accept-Encoding": "identity"}).body.decode()
    own = page.replace(max(scripts(page), key=len), "")
    assert re.findall(r"<[^>]*\son\w+=", own[own.index("<body>") :]) == []


def test_token_of_the_page_is_stored_nowhere(api: Api) -> None:
    page = api("GET", "/docs", headers={"Accept-Encoding": "identity"}).body.decode()
    own_script = min(scripts(page), key=len)
    assert re.findall(r"localStorage|sessionStorage|cookie|indexedDB", own_script) == []
    assert re.search(r'<input id="token" type="password" autocomplete="off"', page)


TRIED = """
const field = (text) => ({ value: text });
const document = { getElementById: (id) => ({ token: field(%s), tenant: field(%s), spec: { textContent: "{}" } })[id] };
const location = { href: "https://api.example/docs", origin: "https://api.example" };
const window = {};
const SwaggerUIBundle = (options) => options;
%s
console.log(JSON.stringify(window.ui.requestInterceptor({ url: %s, headers: {} }).headers));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's own script with node")
@pytest.mark.parametrize(
    ("token", "tenant", "url", "headers"),
    [
        (" abc\n", "", "/tasks", {"Authorization": "Bearer abc"}),
        ("Bearer abc", "", "https://api.example/tasks", {"Authorization": "Bearer abc"}),
        ("abc", " acme", "/tasks", {"Authorization": "Bearer abc", "X-Taskyard-Tenant": "acme"}),
        ("", "", "/tasks", {}),
        ("abc", "acme", "https://elsewhere.example/tasks", {}),
        ("abc", "acme", "http://api.example/tasks", {}),
        ("abc", "acme", "//elsewhere.example/tasks", {}),
    ],
)
def test_request_that_is_tried_carries_the_token_to_this_api_only(
    api: Api, token: str, tenant: str, url: str, headers: dict[str, str]
) -> None:
    page = api("GET", "/docs", headers={"Accept-Encoding": "identity"}).body.decode()
    program = TRIED % (json.dumps(token), json.dumps(tenant), min(scripts(page), key=len), json.dumps(url))
    run = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == headers


def test_it_is_gzipped_for_who_takes_it(api: Api) -> None:
    small = api.send(event("api", "get_docs"))
    assert small.headers["content-encoding"] == "gzip"
    plain = api("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(small.body) == plain.body


def test_it_fits_an_answer(aws: Cloud) -> None:
    page = request("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert len(json.dumps(aws.invoke("api", page))) < LAMBDA_ANSWER_BYTES / 2
