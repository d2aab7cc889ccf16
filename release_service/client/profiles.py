"""The servers that a maintainer knows, by name: `profiles.json`.  No secret is in it.

{"default": "production",
 "profiles": {"production": "https://release.example.org"},
 "sign_ins": {"https://release.example.org": {"issuer": "https://sso.example.org/realms/X", "client_id": "cli"}}}
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from release_service.client import Exit, Failure, private
from release_service.client.urls import safe_url
from release_service.errors import shown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who has signed the maintainer in at a server, for which client.

    It is remembered, so that the refresh token goes to the issuer that gave it and nowhere else,
    whatever the server says later.
    """

    issuer: str
    client_id: str


class Profiles:
    """Names for servers, one of them the default."""

    def __init__(self, directory: Path) -> None:
        """Read what is there."""
        self._path = directory / "profiles.json"
        content = private.read(self._path)
        self.servers: dict[str, str] = dict(content.get("profiles", {}))
        self.default: str | None = content.get("default")
        self._sign_ins: dict[str, dict[str, str]] = dict(content.get("sign_ins", {}))

    def server(self, given: str | None) -> str:
        """Return the URL of *given*, a URL or a profile's name; of the default profile if there is none.

        Raises Failure if there is no such profile, or if tokens may not be sent to that URL.
        """
        name = given or self.default
        if not name:
            raise Failure(
                Exit.USAGE,
                "No server is named.",
                "Name it with --server URL or in $GNOME_RELEASE_SERVER; `gnome-release login --server URL` keeps it.",
            )
        if "://" not in name:
            if name not in self.servers:
                known = ", ".join(sorted(self.servers)) or "none yet"
                raise Failure(Exit.USAGE, f"There is no profile {shown(name)!r} (profiles: {known}).", "Give a URL.")
            name = self.servers[name]
        return _server_url(name)

    def name_of(self, server: str) -> str | None:
        """Return the name under which *server* is known, if it is."""
        return next((name for name, url in self.servers.items() if url == server), None)

    def name_for(self, server: str, wanted: str | None) -> str:
        """Return the name that *server* is to have: the one wanted, the one it has, else its host."""
        if wanted is not None:
            if not _NAME.fullmatch(wanted):
                raise Failure(Exit.USAGE, f"{shown(wanted)!r} cannot name a profile: letters, digits, . _ - only.")
            return wanted
        if known := self.name_of(server):
            return known
        url = safe_url(server)
        return url.host if url.host not in self.servers else f"{url.host}:{url.port or 443}"

    def add(self, name: str, server: str, sign_in: SignIn, *, default: bool) -> None:
        """Write down that *name* is *server*, and who signs in there; the first one is the default in any case."""
        self.servers[name] = server
        self._sign_ins[server] = asdict(sign_in)
        if default or self.default is None:
            self.default = name
        private.write(self._path, {"default": self.default, "profiles": self.servers, "sign_ins": self._sign_ins})

    def sign_in(self, server: str) -> SignIn | None:
        """Return who signs in at *server*, None if nobody has yet."""
        known = self._sign_ins.get(server)
        return SignIn(**known) if known else None


def _server_url(text: str) -> str:
    try:
        url = safe_url(text.rstrip("/"))
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{shown(text)!r} cannot be the server. {error}") from None
    if url.query:
        raise Failure(Exit.USAGE, f"{shown(text)!r} cannot be the server. It has a query.")
    return str(url).rstrip("/")
