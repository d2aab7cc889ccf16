"""Keeps refresh tokens, one for each server: in the system's keyring, else in a file of the maintainer's own."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from release_service.client import Exit, Failure, private

_SERVICE = "gnome-release"


class RefreshTokens:
    """The refresh tokens at rest.  Only who holds `private.locked` may use it."""

    def __init__(self, directory: Path) -> None:
        """Keep what the keyring does not take in *directory*."""
        self.file = directory / "refresh-tokens.json"

    def read(self, server: str) -> str | None:
        """Return the token kept for *server*, if there is one.  (Raises: Failure when a keyring is locked.)"""
        # What is in the file was put there when the keyring could not be used, so it is the newer one.
        in_file = private.read(self.file).get(server)
        return str(in_file) if in_file else _from_keyring(server)

    def keep(self, server: str, token: str, warn: Callable[[str], None]) -> None:
        """Keep the token of a new sign-in; *warn* hears where it went if that is not the keyring."""
        self._forget_in_file(server)
        if why := _to_keyring(server, token):
            self._to_file(server, token)
            warn(f"The system keyring cannot be used here ({why}).")
            warn(f"The sign-in is kept in the file {self.file}, which only you can read.")

    def replace(self, server: str, token: str) -> None:
        """Keep *token* where its predecessor is: a session that has no keyring must find it again."""
        if server in private.read(self.file) or _to_keyring(server, token):
            self._to_file(server, token)

    def forget(self, server: str) -> None:
        """Forget the token, wherever it is."""
        self._forget_in_file(server)
        with suppress(Exception):  # not there, or no keyring: it is forgotten either way
            _keyring().delete_password(_SERVICE, server)

    def _to_file(self, server: str, token: str) -> None:
        private.write(self.file, private.read(self.file) | {server: token})

    def _forget_in_file(self, server: str) -> None:
        content = private.read(self.file)
        if content.pop(server, None) is None:
            return
        if content:
            private.write(self.file, content)
        else:
            self.file.unlink()


def _keyring() -> ModuleType:
    """Return the library."""
    import keyring  # noqa: PLC0415 - looks for backends when it is imported, and a CI job needs none

    return keyring


def _to_keyring(server: str, token: str) -> str:
    """Give the token to the keyring; return "", or in a word why it is not there."""
    try:
        _keyring().set_password(_SERVICE, server, token)
        # A disabled keyring (keyring.backends.null) takes everything and keeps nothing.
        return "" if _keyring().get_password(_SERVICE, server) == token else "it keeps nothing"
    except Exception as error:  # noqa: BLE001 - backends raise what they like; the file is there for all of it
        return type(error).__name__


def _from_keyring(server: str) -> str | None:
    try:
        found = _keyring().get_password(_SERVICE, server)
    except RuntimeError:  # keyring.errors.NoKeyringError is one; other failures of a keyring are not
        return None
    except Exception as error:  # noqa: BLE001 - backends raise what they like
        raise Failure(
            Exit.NO_TOKEN,
            f"The system keyring does not give out the sign-in ({type(error).__name__}).",
            "Unlock it, or sign in again: gnome-release login",
        ) from None
    return None if found is None else str(found)
