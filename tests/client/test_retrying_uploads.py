"""Sending again: when, how often, with which token."""

import hashlib
from pathlib import Path

import pytest

from components import Asked, Canned, canned
from release_service.client import Exit
from release_service.client.upload import upload

BYTES = b"tarball"
PUBLISHED = {"sha256": hashlib.sha256(BYTES).hexdigest()}
BUSY = {"code": "too_many_requests", "title": "Too many requests"}


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "gtk-4.18.1.tar.xz"
    path.write_bytes(BYTES)
    return path


def numbered(calls: list[str]) -> str:
    calls.append(f"token-{len(calls) + 1}")
    return calls[-1]


def test_each_try_has_a_fresh_token(tarball: Path) -> None:
    seen: list[str] = []

    def answer(asked: Asked) -> Canned:
        seen.append(asked.authorization)
        return (201, PUBLISHED, {}) if len(seen) == 2 else (503, BUSY, {"Retry-After": "1"})

    calls: list[str] = []
    with canned(answer) as server:
        done = upload(server, lambda: numbered(calls), tarball, lambda _: None, lambda _: None)
    assert done.exit is Exit.DONE
    assert seen == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(("retry_after", "tries"), [({"Retry-After": "1"}, 2), ({"Retry-After": "3600"}, 1), ({}, 1)])
def test_who_is_told_to_slow_down_waits_as_long_as_was_said_or_gives_up(
    retry_after: dict[str, str], tries: int, tarball: Path
) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Canned:
        seen.append(asked)
        return (201, PUBLISHED, {}) if len(seen) == 2 else (429, BUSY, retry_after)

    with canned(answer) as server:
        done = upload(server, lambda: "t", tarball, lambda _: None, lambda _: None)
    assert len(seen) == tries
    if "3600" in retry_after.values():
        assert (done.exit, done.lines[-1]) == (Exit.UNAVAILABLE, "Try again in 3600 s.")


def test_a_refusal_is_not_tried_again(tarball: Path) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Canned:
        seen.append(asked)
        return 409, {"code": "version_taken", "title": "Taken", "detail": "d", "next": "n"}, {}

    with canned(answer) as server:
        done = upload(server, lambda: "t", tarball, lambda _: None, lambda _: None)
    assert (len(seen), done.exit, done.lines) == (1, Exit.REFUSED, ("Taken. (version_taken)", "d", "n"))
