"""The local issuer, and the tokens that an HTTP API's JWT authorizer takes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.identity.issuer import Issuer
from local.identity.jose import SigningKey, Unreadable, compact_json, decode, decode_object, encode
from local.identity.tokens import (
    TOKEN_LIMIT,
    InsufficientScope,
    InvalidToken,
    JwtAuthorizer,
    NoToken,
    TokenRefused,
    bearer_token,
    event_claims,
    refusal,
    scopes_of,
)

NOW = 1_800_000_000.0
URL = "http://127.0.0.1:4990/_local/identity"
ISSUER = Issuer(URL, now=lambda: NOW)
OTHER_KEY = SigningKey()
AUTHORIZER = JwtAuthorizer(URL, ("other", ISSUER.client), {ISSUER.key.id: ISSUER.key.public})
HEADER = {"alg": "RS256", "kid": ISSUER.key.id}


def claims_with(**changes: Any) -> dict[str, Any]:
    """Claims that pass, changed; ... takes one away."""
    claims = {"iss": URL, "client_id": ISSUER.client, "sub": "s", "iat": NOW, "exp": NOW + 60} | changes
    return {name: value for name, value in claims.items() if value is not ...}


def token_with(**changes: Any) -> str:
    return ISSUER.key.sign(claims_with(**changes))


def header_with(**changes: Any) -> str:
    return ISSUER.key.sign(claims_with(), changes)


def unsigned(header: dict[str, Any], signature: Callable[[bytes], bytes] = lambda text: b"") -> str:
    text = f"{encode(compact_json(header))}.{encode(compact_json(claims_with()))}"
    return f"{text}.{encode(signature(text.encode()))}"


def hs256_with_public_key(text: bytes) -> bytes:
    pem = ISSUER.key.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hmac.new(pem, text, hashlib.sha256).digest()


def rs512(text: bytes) -> bytes:
    return ISSUER.key._private.sign(text, padding.PKCS1v15(), hashes.SHA512())


def pss(text: bytes) -> bytes:
    return ISSUER.key._private.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def raw_token(header: str, payload: str) -> str:
    """A token with a good signature over parts of any text."""
    return ISSUER.key.sign_text(f"{encode(header.encode())}.{encode(payload.encode())}")


GOOD_HEADER, GOOD_CLAIMS = json.dumps(HEADER), json.dumps(claims_with())
GOOD = token_with()
PARTS = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        GOOD,
        token_with(aud=ISSUER.client, client_id=...),
        token_with(aud=["x", "other"], client_id="x"),
        token_with(exp=NOW + 0.5),
        token_with(nbf=NOW, iat=NOW),
        token_with(iat=...),
        # A key or an address of a key in the header is the sender's: it is not looked at.
        header_with(jwk=OTHER_KEY.jwk, jku="http://127.0.0.1:1/keys", x5u="http://127.0.0.1:1/x", x5c=["AA"]),
        header_with(typ="at+jwt"),
        raw_token(f" {GOOD_HEADER} ", f"\n{GOOD_CLAIMS}"),
    ],
    # Not the tokens: keys are random, and each process must collect the same tests.
    ids=[
        "client-id",
        "aud",
        "aud-list-before-client-id",
        "exp-soon",
        "nbf-now",
        "iat-missing",
        "keys-in-header",
        "typ",
        "white-space",
    ],
)
def test_good_token_is_let_in(token: str) -> None:
    assert AUTHORIZER.verify(token, NOW)["sub"] == "s"


REFUSED: list[Any] = [
    # The header.
    ("alg-none", unsigned({"alg": "none", "kid": ISSUER.key.id}), "signing method"),
    ("alg-None", unsigned({"alg": "None", "kid": ISSUER.key.id}), "signing method"),
    ("alg-none-signed", header_with(alg="none"), "signing method"),
    ("alg-missing", unsigned({"kid": ISSUER.key.id}), "signing method"),
    ("hs256-public-key", unsigned(HEADER | {"alg": "HS256"}, hs256_with_public_key), "signing method"),
    ("hs256-as-rs256", unsigned(HEADER, hs256_with_public_key), "signature"),
    ("rs512", unsigned(HEADER | {"alg": "RS512"}, rs512), "signing method"),
    ("rs512-as-rs256", unsigned(HEADER, rs512), "signature"),
    ("pss-as-rs256", unsigned(HEADER, pss), "signature"),
    ("alg-list", header_with(alg=["RS256"]), "signing method"),
    ("crit", header_with(crit=["exp"]), "critical"),
    ("crit-b64", header_with(crit=["b64"], b64=False), "critical"),
    ("crit-empty", header_with(crit=[]), "critical"),
    ("kid-unknown", OTHER_KEY.sign(claims_with()), "unknown key"),
    ("kid-missing", unsigned({"alg": "RS256"}), "unknown key"),
    ("kid-list", header_with(kid=[ISSUER.key.id]), "unknown key"),
    ("kid-null", header_with(kid=None), "unknown key"),
    ("kid-of-another-key", OTHER_KEY.sign(claims_with(), {"kid": ISSUER.key.id}), "signature"),
    ("jwk-in-header", OTHER_KEY.sign(claims_with(), {"kid": ISSUER.key.id, "jwk": OTHER_KEY.jwk}), "signature"),
    # The signature.
    ("signature-empty", f"{PARTS[0]}.{PARTS[1]}.", "signature"),
    ("signature-of-other-claims", ".".join([*token_with(sub="t").split(".")[:2], PARTS[2]]), "signature"),
    ("signature-cut", f"{PARTS[0]}.{PARTS[1]}.{encode(decode(PARTS[2])[:-1])}", "signature"),
    # The form.
    ("two-segments", f"{PARTS[0]}.{PARTS[1]}", "segments"),
    ("four-segments", f"{GOOD}.", "segments"),
    ("five-segments", f"{GOOD}.a.b", "segments"),
    ("one-segment", "not-a-token", "segments"),
    ("empty-segments", "..", "decoded"),
    ("padded-header", f"{encode(compact_json(HEADER))}=.{PARTS[1]}.{PARTS[2]}", "decoded"),
    ("padded-signature", f"{GOOD}==", "decoded"),
    ("standard-base64", f"{PARTS[0]}.{PARTS[1]}.+/{PARTS[2][2:]}", "decoded"),
    ("space-within", f"{PARTS[0]} .{PARTS[1]}.{PARTS[2]}", "decoded"),
    ("line-break-at-end", f"{GOOD}\n", "decoded"),
    ("no-json", raw_token("alg: RS256", GOOD_CLAIMS), "decoded"),
    ("payload-no-json", raw_token(GOOD_HEADER, "sub=s"), "decoded"),
    ("payload-list", raw_token(GOOD_HEADER, "[]"), "decoded"),
    ("header-text", raw_token('"RS256"', GOOD_CLAIMS), "decoded"),
    ("header-name-twice", raw_token(f'{{"alg":"none",{GOOD_HEADER[1:]}', GOOD_CLAIMS), "decoded"),
    ("claim-twice", raw_token(GOOD_HEADER, f'{{"sub":"t",{GOOD_CLAIMS[1:]}'), "decoded"),
    ("nested-name-twice", raw_token(GOOD_HEADER, f'{{"x":{{"a":1,"a":2}},{GOOD_CLAIMS[1:]}'), "decoded"),
    ("nan", raw_token(GOOD_HEADER, f'{{"x":NaN,{GOOD_CLAIMS[1:]}'), "decoded"),
    ("deep", raw_token(GOOD_HEADER, "[" * 3000), "decoded"),
    ("two-objects", raw_token(GOOD_HEADER, GOOD_CLAIMS + "{}"), "decoded"),
    ("too-large", token_with(x="x" * TOKEN_LIMIT), "too large"),
    # The claims.
    ("iss-other", token_with(iss="http://127.0.0.1:4991"), "issuer"),
    ("iss-slash", token_with(iss=f"{URL}/"), "issuer"),
    ("iss-prefix", token_with(iss=f"{URL}.example.com"), "issuer"),
    ("iss-missing", token_with(iss=...), "issuer"),
    ("iss-list", token_with(iss=[URL]), "issuer"),
    ("aud-other", token_with(aud="x"), "audience"),
    ("aud-before-client-id", token_with(aud="x", client_id=ISSUER.client), "audience"),
    ("aud-null", token_with(aud=None), "audience"),
    ("aud-empty", token_with(aud=[]), "audience"),
    ("aud-words", token_with(aud=f"x {ISSUER.client}"), "audience"),
    ("aud-object", token_with(aud={ISSUER.client: 1}), "audience"),
    ("aud-nested", token_with(aud=[[ISSUER.client]]), "audience"),
    ("client-id-other", token_with(client_id="x"), "audience"),
    ("audience-missing", token_with(client_id=...), "audience"),
    ("azp-is-no-audience", token_with(client_id=..., azp=ISSUER.client), "audience"),
    ("exp-now", token_with(exp=NOW), "expired"),
    ("exp-past", token_with(exp=NOW - 1), "expired"),
    ("exp-missing", token_with(exp=...), "claim exp"),
    ("exp-text", token_with(exp=str(NOW + 60)), "claim exp"),
    ("exp-true", token_with(exp=True), "claim exp"),
    ("exp-huge", raw_token(GOOD_HEADER, GOOD_CLAIMS.replace(str(NOW + 60), "1e400")), "claim exp"),
    ("exp-long", raw_token(GOOD_HEADER, GOOD_CLAIMS.replace(str(NOW + 60), "9" * 400)), "claim exp"),
    ("nbf-future", token_with(nbf=NOW + 1), "not valid yet"),
    ("nbf-text", token_with(nbf="0"), "claim nbf"),
    ("iat-future", token_with(iat=NOW + 1), "in the future"),
    ("iat-list", token_with(iat=[0]), "claim iat"),
]


@pytest.mark.parametrize(("token", "description"), [pytest.param(*rest, id=id) for id, *rest in REFUSED])
def test_bad_token_is_refused_with_the_reason(token: str, description: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        AUTHORIZER.verify(token, NOW)
    assert description in refused.value.description


@pytest.mark.parametrize("at", range(0, len(GOOD), 29))
def test_token_with_any_character_changed_is_refused(at: int) -> None:
    other = "A" if GOOD[at] != "A" else "B"
    with pytest.raises(InvalidToken):
        AUTHORIZER.verify(GOOD[:at] + other + GOOD[at + 1 :], NOW)


def test_last_character_has_one_spelling() -> None:
    """The last of 342 characters of a signature holds two bits: sixteen characters would mean the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for character in alphabet:
        try:
            AUTHORIZER.verify(GOOD[:-1] + character, NOW)
            accepted.append(character)
        except InvalidToken:
            continue
    assert accepted == [GOOD[-1]]


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("a.b.c", "a.b.c"),
        ("Bearer a.b.c", "a.b.c"),
        ("bearer  a.b.c ", "a.b.c"),
        ("", None),
        ("Bearer ", "Bearer"),
        ("Basic eDp5", "Basic eDp5"),
    ],
)
def test_token_is_the_headers_value_with_or_without_bearer(header: str, token: str | None) -> None:
    assert bearer_token({"authorization": header}) == token
    assert bearer_token({}) is None


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, ["a", "b"]),
        ({"scp": ["a", "b"]}, ["a", "b"]),
        ({"scp": "a b"}, ["a", "b"]),
        ({"scp": "a", "scope": "a c"}, ["a", "c"]),
        ({"scope": ""}, []),
        ({"scope": [1, None]}, []),
        ({"permissions": ["a"]}, []),
        ({}, []),
    ],
)
def test_scopes_are_of_scope_and_scp(claims: dict[str, Any], scopes: list[str]) -> None:
    assert scopes_of(claims) == scopes


@pytest.mark.parametrize(
    ("token_scope", "route_scopes", "passed_on"),
    [
        ("taskyard/viewer", [], None),
        ("", [], None),
        ("taskyard/viewer x", ["taskyard/viewer"], ["taskyard/viewer", "x"]),
        ("taskyard/viewer", ["taskyard/admin", "taskyard/viewer"], ["taskyard/viewer"]),
    ],
)
def test_one_scope_of_the_route_suffices(
    token_scope: str, route_scopes: list[str], passed_on: list[str] | None
) -> None:
    headers = {"authorization": f"Bearer {token_with(scope=token_scope)}"}
    context = AUTHORIZER.authorize(headers, scopes=route_scopes, now=NOW)
    assert context["jwt"]["scopes"] == passed_on
    assert context["jwt"]["claims"]["sub"] == "s"


@pytest.mark.parametrize("scope", ["", "taskyard/view", "taskyard/viewer,taskyard/admin", "TASKYARD/ADMIN"])
def test_token_without_a_scope_of_the_route_is_refused(scope: str) -> None:
    with pytest.raises(InsufficientScope):
        AUTHORIZER.authorize({"authorization": token_with(scope=scope)}, scopes=["taskyard/admin"], now=NOW)


def test_expired_token_without_the_scope_is_expired() -> None:
    with pytest.raises(InvalidToken):
        AUTHORIZER.authorize({"authorization": token_with(exp=NOW - 1)}, scopes=["x"], now=NOW)


@pytest.mark.parametrize(
    ("refused", "status", "message", "challenge"),
    [
        (NoToken(), 401, "Unauthorized", "Bearer"),
        (
            InvalidToken("the token does not have a valid audience"),
            401,
            "Unauthorized",
            'Bearer scope="" error="invalid_token" error_description="the token does not have a valid audience"',
        ),
        (
            InsufficientScope(["a/b", "a/c"]),
            403,
            "Forbidden",
            'Bearer scope="a/b a/c" error="insufficient_scope" '
            'error_description="the token does not have a required scope"',
        ),
    ],
)
def test_refusal_is_answered_as_api_gateway_does(
    refused: TokenRefused, status: int, message: str, challenge: str
) -> None:
    response = refusal(refused)
    assert (response.status, json.loads(response.body)) == (status, {"message": message})
    assert dict(response.headers)["www-authenticate"] == challenge


def test_request_without_a_token_is_refused() -> None:
    with pytest.raises(NoToken):
        AUTHORIZER.authorize({"x-token": GOOD}, scopes=[], now=NOW)


def test_claims_reach_the_function_as_texts() -> None:
    claims = {
        "sub": "s",
        "cognito:groups": ["admin", "tenant:acme"],
        "exp": 1_800_000_060,
        "ratio": 0.5,
        "ok": True,
        "none": None,
        "realm_access": {"roles": ["a", "b"], "deeper": {"x": None}},
        "empty": [],
    }
    assert event_claims(claims) == {
        "sub": "s",
        "cognito:groups": "[admin tenant:acme]",
        "exp": "1800000060",
        "ratio": "0.5",
        "ok": "true",
        "realm_access": "map[deeper:map[x:<nil>] roles:[a b]]",
        "empty": "[]",
    }


def test_minted_token_passes_until_its_end() -> None:
    token = ISSUER.mint({"sub": "s"}, ttl_seconds=5)
    assert AUTHORIZER.verify(token, NOW + 4)["sub"] == "s"
    with pytest.raises(InvalidToken):
        AUTHORIZER.verify(token, NOW + 5)


def test_minted_token_takes_other_claims() -> None:
    claims = AUTHORIZER.verify(ISSUER.mint({"client_id": None, "aud": ["other"], "groups": ["x"]}), NOW)
    assert claims["groups"] == ["x"]
    assert "client_id" not in claims


def test_two_tokens_are_never_the_same() -> None:
    assert ISSUER.mint({}) != ISSUER.mint({})


def test_issuer_serves_its_discovery_document_and_its_key() -> None:
    discovery = ISSUER.respond("/_local/identity/.well-known/openid-configuration")
    assert discovery is not None
    document = json.loads(discovery.body)
    assert (discovery.status, document["issuer"]) == (200, URL)
    assert document["jwks_uri"].startswith(f"{URL}/")
    keys = ISSUER.respond(document["jwks_uri"].removeprefix("http://127.0.0.1:4990"))
    assert keys is not None
    (jwk,) = json.loads(keys.body)["keys"]
    number = {name: int.from_bytes(decode(jwk[name]), "big") for name in ("n", "e")}
    public = rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
    assert JwtAuthorizer(URL, (ISSUER.client,), {jwk["kid"]: public}).verify(GOOD, NOW)["sub"] == "s"
    assert not {"d", "p", "q", "dp", "dq", "qi"} & jwk.keys()


@pytest.mark.parametrize("path", ["/", "/.well-known/jwks.json", "/_local/identity", "/_local/identity/keys"])
def test_issuer_leaves_other_paths_alone(path: str) -> None:
    assert ISSUER.respond(path) is None


def test_key_is_made_anew_for_each_issuer() -> None:
    assert Issuer(URL, now=lambda: NOW).key.id != ISSUER.key.id


@pytest.mark.parametrize("text", ["A", "AB=", "AB==", "A+", "A/", "A B", "AB\n", "QR", "é"])
def test_base64url_that_is_not_strict_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        decode(text)


def test_object_is_read() -> None:
    assert decode_object(encode(b'{"a":[1,{"b":null}]}')) == {"a": [1, {"b": None}]}
