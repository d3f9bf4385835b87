"""Token sets in one file of the user's, which nobody else may read, and the issuer that each API was logged in with.

Writers replace the file as a whole, so a reader never sees half of one, and a crash leaves the old one. Who renews
holds the lock from its read to its write: a refresh token that is used twice may end the login.
"""

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from taskyard.login.errors import ExposedTokenFile
from taskyard.login.grants import TokenSet


def token_file(environ: Mapping[str, str], home: Path) -> Path:
    """`taskyard/tokens.json` in XDG_CONFIG_HOME, or APPDATA on Windows, or ~/.config."""
    base = environ.get("XDG_CONFIG_HOME") or environ.get("APPDATA")
    return (Path(base) if base else home / ".config") / "taskyard" / "tokens.json"


@dataclass(frozen=True)
class Login:
    """Where the tokens for an API come from, and what the issuer was asked for."""

    issuer: str
    client_id: str
    scopes: tuple[str, ...] = ()
    audience: str | None = None


class TokenStore:
    """The token set of each issuer and client. ID tokens are not stored: nothing reads them again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls, environ: Mapping[str, str], home: Path | None = None) -> "TokenStore":
        """home: else that of the user. Raises RuntimeError where there is none."""
        return cls(token_file(environ, home or Path.home()))

    def load(self, issuer: str, client_id: str) -> TokenSet | None:
        """None for none, and for one that cannot be read. Raises ExposedTokenFile."""
        entry = self._read().get(_entry_name(issuer, client_id))
        try:
            return None if entry is None else TokenSet(**entry)
        except TypeError:
            return None

    def save(self, issuer: str, client_id: str, tokens: TokenSet | None) -> None:
        """None deletes. The caller holds the lock."""
        try:
            entries = self._read()
        except ExposedTokenFile:
            # The file is replaced by one that is ours alone.
            entries = {}
        name = _entry_name(issuer, client_id)
        entries.pop(name, None)
        if tokens is not None:
            entries[name] = {key: value for key, value in asdict(tokens).items() if key != "id_token"}
        self._write(entries)

    def login_of(self, url: str) -> Login | None:
        """The login for an API's URL, without a slash at its end. Raises ExposedTokenFile."""
        return _login(self._read().get(_login_name(url)))

    def save_login(self, url: str, login: Login, tokens: TokenSet) -> None:
        """The caller holds the lock."""
        self.save(login.issuer, login.client_id, tokens)
        self._write({**self._read(), _login_name(url): asdict(login)})

    def remove_login(self, url: str) -> Login | None:
        """The login that there was. Its tokens go too, unless another URL has the same login. The caller holds the
        lock. Raises ExposedTokenFile."""
        entries = self._read()
        login = _login(entries.pop(_login_name(url), None))
        if login is None:
            return None
        tokens_name = _entry_name(login.issuer, login.client_id)
        others = [_login(entry) for name, entry in entries.items() if name.startswith(_LOGIN_PREFIX)]
        if not any(other and _entry_name(other.issuer, other.client_id) == tokens_name for other in others):
            entries.pop(tokens_name, None)
        self._write(entries)
        return login

    @contextlib.contextmanager
    def file_lock(self) -> Iterator[None]:
        """One process and thread at a time. The lock ends with its holder, so a crash leaves none behind."""
        self._make_folder()
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            _lock(file)
            yield

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open(encoding="utf-8") as file:
                if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise ExposedTokenFile(self.path)
                entries = json.load(file)
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _write(self, entries: Mapping[str, Any]) -> None:
        self._make_folder()
        # mkstemp makes it with mode 600, and never follows what is there.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".tokens-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(entries, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _make_folder(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


_LOGIN_PREFIX = "login "


def _login_name(url: str) -> str:
    # An issuer is a URL: no name of a token set begins like this.
    return _LOGIN_PREFIX + url


def _login(entry: Any) -> Login | None:
    """None for an entry that cannot be read."""
    try:
        scopes = tuple(map(str, entry.get("scopes") or ()))
        audience = entry.get("audience")
        return Login(str(entry["issuer"]), str(entry["client_id"]), scopes, str(audience) if audience else None)
    except (AttributeError, KeyError, TypeError):
        return None


def _entry_name(issuer: str, client_id: str) -> str:
    # A client's id holds no space (RFC 6749, appendix A.1 allows one, no issuer makes one); a URL never does.
    return f"{issuer} {client_id}"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)
