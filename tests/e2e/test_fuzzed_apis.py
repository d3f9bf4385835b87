"""Both HTTP APIs of the running system against what /openapi.json allows and what it does not, over HTTP, with a token
and signed: no failure of ours, answers as they are described.

Always the same few requests, unless FUZZ_CASES says how many, half of them for each API: `make fuzz CASES=2000`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode

from local.system import LocalSystem
from local.template.intrinsics import ACCOUNT
from tests.e2e.callers import bearer, signed
from tests.integration.api_cases import (
    RUN,
    SCHEDULES,
    TASKS,
    blocked_task,
    check_answer,
    operations,
    with_known_ids,
)

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("fuzz"), pytest.mark.timeout(0)]

CASES = int(os.environ.get("FUZZ_CASES", 0)) // 2
FEW = 2
"""Of each operation and mode, where nothing says how many."""
Credentials = Callable[[str, str, bytes], Mapping[str, str]]
"""(method, URL, body) → headers."""


def with_a_token(system: LocalSystem) -> Credentials:
    headers = bearer(system)
    return lambda method, url, body: headers


def with_a_signature(system: LocalSystem) -> Credentials:
    key, secret = system.admin.access_key, system.admin.secret

    def headers(method: str, url: str, body: bytes) -> Mapping[str, str]:
        made = signed(method, url, key, secret, body, content_type=None)
        return {name: value for name, value in made.items() if name.lower().startswith(("authorization", "x-amz-"))}

    return headers


APIS = {"url": with_a_token, "iam_url": with_a_signature}


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest, fuzz_system: LocalSystem) -> tuple[str, Credentials]:
    """Its URL, and what its callers send. Behind it is one of everything."""
    url, credentials = getattr(fuzz_system, request.param), APIS[request.param](fuzz_system)

    def post(path: str, name: str, body: Any) -> None:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        sent = headers | dict(credentials("POST", url + path, content))
        answer = httpx.post(url + path, content=content, headers=sent, timeout=30)
        assert answer.status_code in (200, 201), answer.text

    for name, task in TASKS.items():
        post("/tasks", name, task)
    post("/tasks", "blocked", blocked_task(ACCOUNT))
    post("/workflows", "run", RUN)
    for name, body in SCHEDULES.items():
        post("/schedules", name, body)
    assert fuzz_system.settle()
    return url, credentials


def test_every_answer_over_http_is_as_described(api: tuple[str, Credentials]) -> None:
    url, credentials = api
    description = with_known_ids(httpx.get(f"{url}/openapi.json", timeout=30).json(), ACCOUNT)
    schema = schemathesis.openapi.from_dict(description)
    pairs = list(operations(description))
    answers: Counter[tuple[str, int]] = Counter()
    with requests.Session() as http:

        def send(case: schemathesis.Case, path: str, mode: GenerationMode) -> None:
            kwargs = case.as_transport_kwargs(base_url=url)
            kwargs = {name: value for name, value in kwargs.items() if name not in ("allow_redirects", "timeout")}
            sent = requests.Request(**kwargs).prepare()
            body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
            sent.body = body
            sent.headers.update(credentials(str(sent.method), str(sent.url), body))
            answer = http.send(sent, allow_redirects=False, timeout=60)
            answers[mode.value, answer.status_code] += 1
            headers = {name.lower(): [value] for name, value in answer.headers.items()}
            check_answer(case, path=path, url=str(sent.url), status=answer.status_code, headers=headers, answer=answer)

        def run(method: str, path: str, mode: GenerationMode, count: int, round_: int) -> None:
            @seed(round_)
            @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            @given(case=schema[path][method].as_strategy(generation_mode=mode))
            def holds(case: schemathesis.Case) -> None:
                send(case, path, mode)

            holds()

        # Some operations have less to vary than others: rounds, until there are enough.
        round_ = 0
        while round_ == 0 or answers.total() < CASES:
            each = max(FEW, (CASES - answers.total()) // len(pairs))
            for method, path, mode in pairs:
                run(method, path, mode, each, round_)
            round_ += 1
    print(f"\n{url}: {answers.total()} requests")
    for (mode, status), count in sorted(answers.items()):
        print(f"  {mode:<8}  {status}  {count}")
    assert {status for _, status in answers} >= {200, 404, 422}
