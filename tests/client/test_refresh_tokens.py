"""Where refresh tokens are kept: a real keyring, or the file when there is none."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as DisabledKeyring
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring  # type: ignore[import-untyped]

from release_service.client import Exit, Failure
from release_service.client.refresh_tokens import RefreshTokens

Use = Callable[[type[KeyringBackend]], None]

SERVER, OTHER = "https://release.example.org", "https://sandbox.example.org"


class LockedKeyring(KeyringBackend):
    """What a desktop's keyring does while nobody unlocks it."""

    priority = 1

    def get_password(self, *_: str) -> str | None:
        raise KeyringLocked

    def set_password(self, *_: str) -> None:
        raise KeyringLocked


def ignored(_: str) -> None: ...


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    before = keyring.get_keyring()
    yield lambda backend: keyring.set_keyring(backend())
    keyring.set_keyring(before)


def test_the_keyring_keeps_the_token_and_no_file_is_written(use: Use, tmp_path: Path) -> None:
    use(PlaintextKeyring)
    kept, warnings = RefreshTokens(tmp_path / "config"), list[str]()
    kept.keep(SERVER, "one", warnings.append)
    assert keyring.get_password("gnome-release", SERVER) == "one"
    assert (kept.read(SERVER), kept.read(OTHER)) == ("one", None)
    kept.replace(SERVER, "two")
    assert (kept.read(SERVER), kept.file.exists(), warnings) == ("two", False, [])
    kept.forget(SERVER)
    assert (kept.read(SERVER), keyring.get_password("gnome-release", SERVER)) == (None, None)


@pytest.mark.parametrize("backend", [NoKeyring, DisabledKeyring, LockedKeyring])
def test_without_a_keyring_it_is_a_file_that_only_we_can_read_and_a_warning(
    backend: type[KeyringBackend], use: Use, tmp_path: Path
) -> None:
    use(backend)
    kept, warnings = RefreshTokens(tmp_path / "config"), list[str]()
    kept.keep(SERVER, "one", warnings.append)
    assert (kept.read(SERVER), str(kept.file) in warnings[-1]) == ("one", True)
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.file.parent.stat().st_mode) == 0o700
    kept.replace(SERVER, "two")
    assert (kept.read(SERVER), stat.S_IMODE(kept.file.stat().st_mode)) == ("two", 0o600)
    kept.forget(SERVER)
    assert not kept.file.exists()


def test_each_server_has_a_token_of_its_own(use: Use, tmp_path: Path) -> None:
    use(NoKeyring)
    kept = RefreshTokens(tmp_path)
    kept.keep(SERVER, "one", ignored)
    kept.keep(OTHER, "two", ignored)
    kept.forget(SERVER)
    assert (kept.read(SERVER), kept.read(OTHER)) == (None, "two")


def test_a_renewed_token_stays_where_its_predecessor_was(use: Use, tmp_path: Path) -> None:
    """A session over SSH, without a keyring, must find what the desktop has renewed."""
    use(NoKeyring)
    kept = RefreshTokens(tmp_path / "config")
    kept.keep(SERVER, "one", ignored)
    use(PlaintextKeyring)
    kept.replace(SERVER, "two")
    use(NoKeyring)
    assert kept.read(SERVER) == "two"


def test_a_new_sign_in_moves_the_token_from_the_file_to_the_keyring(use: Use, tmp_path: Path) -> None:
    use(NoKeyring)
    kept = RefreshTokens(tmp_path / "config")
    kept.keep(SERVER, "one", ignored)
    use(PlaintextKeyring)
    kept.keep(SERVER, "two", ignored)
    assert (kept.read(SERVER), kept.file.exists()) == ("two", False)


def test_a_locked_keyring_is_said_to_be_locked(use: Use, tmp_path: Path) -> None:
    use(LockedKeyring)
    with pytest.raises(Failure, match="Unlock it") as failure:
        RefreshTokens(tmp_path).read(SERVER)
    assert failure.value.status is Exit.NO_TOKEN
