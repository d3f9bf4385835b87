"""Login on another device (RFC 8628), for machines without a browser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from taskyard.login.discovery import Provider
from taskyard.login.errors import DeviceLoginUnsupported, GrantRefused, IssuerUnreachable, LoginTimeout
from taskyard.login.grants import Now, TokenSet, post_form, request_tokens

DEFAULT_INTERVAL_SECONDS = 5.0
SLOW_DOWN_SECONDS = 5.0
"""Both of the RFC's sections 3.2 and 3.5."""
LONGEST_INTERVAL_SECONDS = 60.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class DeviceCode:
    """What a person types at `verification_uri`; `complete_uri` holds the code already, where the issuer gives one."""

    user_code: str
    verification_uri: str
    complete_uri: str | None
    device_code: str = field(repr=False)
    interval_seconds: float
    lifetime_seconds: float


def login_on_device(
    http: httpx.Client,
    provider: Provider,
    client_id: str,
    *,
    show: Callable[[DeviceCode], object],
    now: Now,
    sleep: Callable[[float], object],
    scopes: Sequence[str],
) -> TokenSet:
    """`show` tells the person where to go. Raises LoginError: GrantRefused with `access_denied` or `expired_token`,
    LoginTimeout, DeviceLoginUnsupported."""
    code = request_device_code(http, provider, client_id, scopes)
    show(code)
    form = {"grant_type": DEVICE_GRANT, "device_code": code.device_code, "client_id": client_id}
    deadline = now() + code.lifetime_seconds
    interval = code.interval_seconds
    while now() + interval < deadline:
        sleep(interval)
        try:
            return request_tokens(http, provider, form, now=now)
        except GrantRefused as refused:
            if refused.error == "slow_down":
                interval += SLOW_DOWN_SECONDS
            elif refused.error != "authorization_pending":
                raise
        except IssuerUnreachable:
            # Section 3.5: after a timeout the client polls less often.
            interval = min(interval * 2, max(interval, LONGEST_INTERVAL_SECONDS))
    raise LoginTimeout(code.lifetime_seconds)


def request_device_code(http: httpx.Client, provider: Provider, client_id: str, scopes: Sequence[str]) -> DeviceCode:
    """Raises DeviceLoginUnsupported, GrantRefused, IssuerUnreachable."""
    if provider.device_endpoint is None:
        raise DeviceLoginUnsupported(provider.issuer)
    url = provider.device_endpoint
    document = post_form(http, url, {"client_id": client_id, "scope": " ".join(scopes)})
    try:
        complete = document.get("verification_uri_complete")
        return DeviceCode(
            user_code=str(document["user_code"]),
            # Google's name for it, of before the RFC, is in use still.
            verification_uri=str(document.get("verification_uri") or document["verification_url"]),
            complete_uri=str(complete) if complete else None,
            device_code=str(document["device_code"]),
            interval_seconds=max(1.0, float(document.get("interval", DEFAULT_INTERVAL_SECONDS))),
            lifetime_seconds=float(document["expires_in"]),
        )
    except (KeyError, TypeError, ValueError):
        raise IssuerUnreachable(url, "the answer is no device code") from None
