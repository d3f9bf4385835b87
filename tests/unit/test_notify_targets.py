"""`notify` of a request: what is accepted, what is refused and with which message."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from taskyard.tasks.urls import url_problem

from functions.core.errors import FieldError
from functions.core.field_errors import field_errors
from functions.core.notifications.targets import Notify, stored_targets, unreachable_webhooks
from functions.core.webhooks.addresses import Reach

HOOK = "https://hooks.example.com/a?b=c"


def check(value: list[Any], reach: Reach) -> tuple[tuple[dict[str, Any], ...], list[FieldError]]:
    """What goes into the record, and what is wrong."""
    try:
        targets = TypeAdapter(Notify).validate_python(value)
    except ValidationError as error:
        return (), field_errors(error.errors(include_context=False), value, under="notify")
    return stored_targets(targets), list(unreachable_webhooks(targets, reach))


def errors(*targets: Any, reach: Reach = "public") -> dict[str, str]:
    return {error.field: error.message for error in check(list(targets), reach)[1]}


@pytest.mark.parametrize(
    "target",
    [
        {"webhook": HOOK},
        {"webhook": HOOK, "on": "failure", "secret": "orders.v2"},
        {"email": "night@example.com", "on": "success"},
        {"webhook": "https://user.example.com:8443/"},
    ],
)
def test_notify_accepted_is_stored_unchanged(target: dict[str, str]) -> None:
    assert check([target], "public") == ((target,), [])


def test_notify_defaults_are_not_stored() -> None:
    assert check([{"email": "a@example.com", "on": "both"}], "public")[0] == ({"email": "a@example.com"},)


def test_notify_absent_has_no_targets() -> None:
    assert check([], "public") == ((stored_targets(None)), [])


@pytest.mark.parametrize(
    ("target", "field", "says"),
    [
        ({}, "notify[0]", "either webhook or email"),
        ({"webhook": HOOK, "email": "a@example.com"}, "notify[0]", "either webhook or email"),
        ({"webhook": "hooks.example.com"}, "notify[0].webhook", "https"),
        ({"webhook": "ftp://example.com"}, "notify[0].webhook", "https"),
        ({"webhook": "https://"}, "notify[0].webhook", "host"),
        ({"webhook": "https://a:b@example.com/"}, "notify[0].webhook", "credentials"),
        ({"webhook": "https://example.com/#a"}, "notify[0].webhook", "fragment"),
        ({"webhook": "https://example.com:99999/"}, "notify[0].webhook", "URL"),
        ({"webhook": "https://example.com/ä"}, "notify[0].webhook", "ASCII"),
        ({"webhook": "https://example.com/a\r\nX: y"}, "notify[0].webhook", "ASCII"),
        ({"webhook": "https://example.com/" + "a" * 2048}, "notify[0].webhook", "2048"),
        ({"email": "nobody"}, "notify[0].email", "mail address"),
        ({"email": "a@example.com\nBcc: b@example.com"}, "notify[0].email", "mail address"),
        ({"email": "a@example.com", "secret": "x"}, "notify[0]", "webhook only"),
        ({"webhook": HOOK, "secret": "whsec_c2VjcmV0/+="}, "notify[0].secret", "pattern"),
        ({"webhook": HOOK, "secret": "../other"}, "notify[0].secret", "pattern"),
        ({"webhook": HOOK, "on": "never"}, "notify[0].on", "failure"),
        ({"webhook": HOOK, "url": "x"}, "notify[0].url", "not a known field"),
    ],
)
def test_notify_invalid_is_refused_with_path(target: dict[str, Any], field: str, says: str) -> None:
    found = errors(target)
    assert says in found[field]
    assert len(found) == 1


def test_notify_second_target_invalid_is_refused_with_its_index() -> None:
    assert list(errors({"webhook": HOOK}, {"email": 5})) == ["notify[1].email"]


def test_notify_above_ten_targets_or_four_kilobytes_is_refused() -> None:
    assert "10" in errors(*[{"email": "a@example.com"}] * 11)["notify"]
    assert "4096" in errors(*[{"webhook": f"https://example.com/{'a' * 1500}"}] * 3)["notify"]


@pytest.mark.parametrize(
    ("url", "reaches"),
    [
        ("https://example.com/", ["public", "any", "local"]),
        ("http://example.com/", ["any", "local"]),
        ("http://10.0.0.1/", ["any", "local"]),
        ("https://10.0.0.1/", ["any", "local"]),
        ("https://localhost/", ["local"]),
        ("https://LOCALHOST./", ["local"]),
        ("https://x.localhost/", ["local"]),
        ("http://127.0.0.1:9001/", ["local"]),
        ("https://[::1]/", ["local"]),
        ("https://169.254.169.254/", []),
        ("https://[::ffff:169.254.169.254]/", []),
        ("https://[fec0::1]/", []),
        ("https://0.0.0.0/", []),
    ],
)
def test_notify_webhook_out_of_reach_is_refused(url: str, reaches: list[Reach]) -> None:
    for reach in get_args(Reach):
        assert list(errors({"webhook": url}, reach=reach)) == ([] if reach in reaches else ["notify[0].webhook"]), reach


@pytest.mark.parametrize("url", ["https://bücher.example/", "http://127.1/", "https://a:b@example.com/"])
def test_notify_webhook_invalid_url_is_refused(url: str) -> None:
    assert errors({"webhook": url}) == {"notify[0].webhook": url_problem(url)}
