"""The headers that say who calls."""

import re
import subprocess
import sys

import pytest
from taskyard.errors import NoCredentials
from taskyard.transport.authentication import authenticator_for
from taskyard.transport.signing import IamSigner, region_of

URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/tasks?cursor=a%3D%3D&limit=2"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


def test_signer_of_none_adds_no_header_and_of_a_token_a_bearer() -> None:
    assert authenticator_for(None).headers("GET", URL, {}, b"") == {}
    assert authenticator_for("abc").headers("GET", URL, {}, b"") == {"authorization": "Bearer abc"}


def test_iam_signature_is_version_4_for_the_region_of_the_url(credentials: pytest.MonkeyPatch) -> None:
    headers = IamSigner()("POST", URL, {"content-type": "application/json", "user-agent": "x"}, b"{}")
    assert re.fullmatch(r"\d{8}T\d{6}Z", headers["x-amz-date"])
    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-central-1/execute-api/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}",
        headers["authorization"],
    )
    assert "x-amz-security-token" not in headers


def test_iam_signature_includes_the_session_token_of_a_role(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("AWS_SESSION_TOKEN", "session")
    headers = IamSigner()("GET", URL, {}, b"")
    assert headers["x-amz-security-token"] == "session"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in headers["authorization"]


def test_iam_signature_covers_the_body(credentials: pytest.MonkeyPatch) -> None:
    sign = IamSigner()
    one, two = (sign("POST", URL, {}, body)["authorization"] for body in (b"1", b"2"))
    assert one != two


def test_iam_signature_without_credentials_or_region_is_refused(credentials: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoCredentials, match="AWS_REGION"):
        IamSigner()("GET", "https://tasks.example.com/tasks", {}, b"")
    credentials.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(NoCredentials, match="credentials"):
        IamSigner()("GET", URL, {}, b"")


def test_region_is_that_of_the_url_else_of_the_environment() -> None:
    assert region_of(URL, {"AWS_REGION": "us-west-2"}) == "eu-central-1"
    assert region_of("https://tasks.example.com", {"AWS_REGION": "us-west-2"}) == "us-west-2"
    assert region_of("https://tasks.example.com", {}) is None


def test_help_imports_no_http_library_botocore_or_rich() -> None:
    program = (
        "import sys; from taskyard.cli import main; main(['--help']);"
        "sys.exit(any(name in sys.modules for name in ('httpx', 'botocore', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
