"""What webhooks are signed with: found by tenant and name, rotated without a gap, missed aloud."""

from __future__ import annotations

import base64

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from taskyard.tasks import signature

from functions.aws.clients import client
from functions.aws.secrets import SecretUnusable, WebhookSecrets
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock

OLD, NEW, NEWEST = (base64.b64encode(bytes([at]) * 32).decode() for at in range(1, 4))


@pytest.fixture
def secrets(aws: Cloud, clock: Clock) -> WebhookSecrets:
    aws.client("secretsmanager").create_secret(Name=f"path/{TENANT}/default", SecretString=OLD)
    return WebhookSecrets(lambda: client("secretsmanager"), "path", clock)


def rotate(aws: Cloud, value: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=f"path/{TENANT}/default", SecretString=value)


def test_after_a_rotation_both_sign(aws: Cloud, secrets: WebhookSecrets) -> None:
    rotate(aws, "whsec_" + NEW)
    headers = signature.signature_headers(secrets.keys(TENANT, "default"), id="id", at=real_now(), body=b"{}")
    for known in (OLD, NEW, "whsec_" + NEW):
        Webhook(known).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEWEST).verify(b"{}", headers)


def test_after_two_the_first_signs_no_more(aws: Cloud, secrets: WebhookSecrets) -> None:
    rotate(aws, NEW)
    rotate(aws, NEWEST)
    assert secrets.keys(TENANT, "default") == (signature.signing_key(NEWEST), signature.signing_key(NEW))


def test_a_rotation_is_seen_within_five_minutes(aws: Cloud, secrets: WebhookSecrets, clock: Clock) -> None:
    assert secrets.keys(TENANT, "default") == (signature.signing_key(OLD),)
    rotate(aws, NEW)
    aws.forget_calls()
    clock.advance(299)
    assert secrets.keys(TENANT, "default") == (signature.signing_key(OLD),)
    assert aws.called() == []
    clock.advance(1)
    assert secrets.keys(TENANT, "default")[0] == signature.signing_key(NEW)


def test_another_tenants_secret_is_not_found(secrets: WebhookSecrets) -> None:
    with pytest.raises(SecretUnusable, match="path/210987654321/default"):
        secrets.keys("210987654321", "default")


def test_one_that_is_missing_is_looked_for_again(aws: Cloud, secrets: WebhookSecrets) -> None:
    with pytest.raises(SecretUnusable, match="there is none"):
        secrets.keys(TENANT, "orders")
    aws.client("secretsmanager").create_secret(Name=f"path/{TENANT}/orders", SecretString=NEW)
    assert secrets.keys(TENANT, "orders") == (signature.signing_key(NEW),)


def test_what_is_no_key_is_said_without_saying_it(aws: Cloud, secrets: WebhookSecrets) -> None:
    rotate(aws, "hunter2!")
    with pytest.raises(SecretUnusable) as error:
        secrets.keys(TENANT, "default")
    assert "base64" in str(error.value)
    assert "hunter2" not in str(error.value)


def real_now() -> int:
    from datetime import UTC, datetime

    return int(datetime.now(UTC).timestamp())
