"""Servers by name, and which URLs tokens may be sent to."""

import json
import stat
from pathlib import Path

import pytest

from release_service.client import Exit, Failure, private
from release_service.client.profiles import Profiles, SignIn

PRODUCTION, SANDBOX = "https://release.example.org", "https://sandbox.example.org"
SIGN_IN = SignIn("https://sso.example.org/realms/GNOME", "release-cli")


def with_both(home: Path) -> Profiles:
    Profiles(home).add("sandbox", SANDBOX, SIGN_IN, default=False)
    Profiles(home).add("production", PRODUCTION, SIGN_IN, default=False)
    return Profiles(home)


def test_the_first_sign_in_makes_the_default_and_a_later_one_does_not(tmp_path: Path) -> None:
    profiles = with_both(tmp_path)
    assert profiles.server(None) == SANDBOX
    profiles.add("production", PRODUCTION, SIGN_IN, default=True)
    assert Profiles(tmp_path).server(None) == PRODUCTION


def test_a_server_is_a_url_or_a_profile(tmp_path: Path) -> None:
    profiles = with_both(tmp_path)
    assert profiles.server("production") == PRODUCTION
    assert profiles.server("https://elsewhere.example/") == "https://elsewhere.example"
    assert profiles.server("http://localhost:8000") == "http://localhost:8000"


def test_the_file_says_names_and_urls_and_who_may_get_the_refresh_token(tmp_path: Path) -> None:
    with_both(tmp_path)
    content = json.loads((tmp_path / "profiles.json").read_text())
    assert content["default"] == "sandbox"
    assert content["profiles"] == {"sandbox": SANDBOX, "production": PRODUCTION}
    assert Profiles(tmp_path).sign_in(PRODUCTION) == SIGN_IN
    assert Profiles(tmp_path).sign_in("https://elsewhere.example") is None


@pytest.mark.parametrize(
    "server",
    [
        "http://release.example.org",
        "http://127.0.0.1.example.org",
        "ftp://release.example.org",
        "https://",
        "https://alice:secret@release.example.org",
        "https://release.example.org/?next=x",
        "https://release.example.org/#top",
        "https://exa mple.org",
        "https://[::1",
    ],
)
def test_a_server_to_which_tokens_may_not_be_sent_is_wrong_usage(server: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        Profiles(tmp_path).server(server)
    assert failure.value.status is Exit.USAGE


def test_an_unknown_profile_is_wrong_usage_and_the_known_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"no profile 'prod' \(profiles: production, sandbox\)") as failure:
        with_both(tmp_path).server("prod")
    assert failure.value.status is Exit.USAGE


def test_without_any_server_it_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="--server URL"):
        Profiles(tmp_path).server(None)


def test_a_profile_is_named_as_wanted_else_as_before_else_after_the_host(tmp_path: Path) -> None:
    profiles = with_both(tmp_path)
    assert profiles.name_for(PRODUCTION, "prod") == "prod"
    assert profiles.name_for(PRODUCTION, None) == "production"
    assert profiles.name_for("https://new.example.org", None) == "new.example.org"
    with pytest.raises(Failure, match="cannot name a profile"):
        profiles.name_for(PRODUCTION, "../x")


def test_two_servers_of_one_host_get_two_names(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.add(profiles.name_for("http://127.0.0.1:1", None), "http://127.0.0.1:1", SIGN_IN, default=False)
    profiles.add(profiles.name_for("http://127.0.0.1:2", None), "http://127.0.0.1:2", SIGN_IN, default=False)
    assert profiles.servers == {"127.0.0.1": "http://127.0.0.1:1", "127.0.0.1:2": "http://127.0.0.1:2"}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "profiles.json").write_bytes(content)
    with pytest.raises(Failure, match=r"profiles\.json is damaged"):
        Profiles(tmp_path)


def test_files_are_ours_alone_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    private.write(path, {"a": 1})
    with pytest.raises(TypeError):
        private.write(path, {"a": object()})
    assert private.read(path) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(("xdg", "place"), [("/x", "/x"), ("", "/home/alice/.config"), ("y", "/home/alice/.config")])
def test_the_files_are_where_the_desktop_keeps_configurations(
    xdg: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert private.config_directory({"XDG_CONFIG_HOME": xdg}) == Path(place) / "gnome-release"
