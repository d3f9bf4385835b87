"""Why there is no token, as types."""

from pathlib import Path

from taskyard.errors import TaskyardError, one_line


class LoginError(TaskyardError):
    """The base of all. No text holds a token, a code or a secret."""


class InvalidIssuer(LoginError):
    """What is at the issuer's URL does not describe that issuer, or names an endpoint without TLS."""

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(f"{issuer} is no issuer that can be used: {reason}")
        self.issuer = issuer
        self.reason = reason


class IssuerUnreachable(LoginError):
    """No answer came, or one that cannot be read: worth another try."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no answer from {url}: {reason}")
        self.url = url
        self.reason = reason


class GrantRefused(LoginError):
    """The issuer's error (RFC 6749, section 5.2): `error` is its code, such as `invalid_grant`."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(one_line(f"the issuer refused: {error}" + (f" ({description[:300]})" if description else "")))
        self.error = error
        self.description = description


class InvalidIdToken(LoginError):
    """The ID token is not the answer to this login."""

    def __init__(self, claim: str) -> None:
        super().__init__(f"the issuer's ID token is not of this login: its {claim} differs")
        self.claim = claim


class LoginTimeout(LoginError, TimeoutError):
    """Nobody finished the login in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the login was not finished within {seconds:g} s")
        self.seconds = seconds


class NoFreePort(LoginError):
    """All ports that the issuer sends the browser back to are taken."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        super().__init__(
            f"the login needs one of the ports {', '.join(map(str, ports))} of this machine; all are taken"
        )
        self.ports = ports


class DeviceLoginUnsupported(LoginError):
    """The issuer has no device authorization endpoint. Cognito has none."""

    def __init__(self, issuer: str) -> None:
        super().__init__(f"{issuer} has no login by device code: log in with a browser on this machine")
        self.issuer = issuer


class LoginRequired(LoginError):
    """No token is stored, or it has expired and cannot be renewed."""

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(f"{reason}: log in to {issuer} (taskyard login)")
        self.issuer = issuer
        self.reason = reason


class MissingClientSetting(LoginError):
    """A variable of the environment that the client-credentials grant needs."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is not set")
        self.variable = variable


class ExposedTokenFile(LoginError):
    """Others than the owner can read or write the file: its tokens may be known, or not be ours."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is open to other users: delete it and log in again")
        self.path = path
