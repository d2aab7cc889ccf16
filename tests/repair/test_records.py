"""release.json: what is told is read, and what is not told in these very words is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_service import documents, paths
from release_service.archive import Inspection
from release_service.db import releases
from release_service.db.tables import Module, Release, ReleaseSignature
from release_service.repair.record import Mismatch, Record, told_again

_AT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
KEY = "sources/gtk/4.18/gtk-4.18.1.release.json"
ASC = "-----BEGIN PGP SIGNATURE-----"


def a_release(*, published: datetime = _AT, signed: bool = True) -> Release:
    signature = ReleaseSignature(
        text=ASC, fingerprint="A" * 40, signing_fingerprint="B" * 40, signed_at=_AT, added_at=_AT, published_at=_AT
    )
    return Release(
        module=Module(name="gtk"),
        version="4.18.1",
        compression="xz",
        size=7,
        sha256="0" * 64,
        archive=documents.archive(Inspection(1, 2, ("w",))),
        proof={"kind": "gitlab-id-token", "project": "GNOME/gtk"},
        claimed_at=_AT,
        published_at=published,
        files=[releases.file_row("news", b"news")],
        signature=signature if signed else None,
    )


def again(content: bytes) -> bytes:
    """Read it, make the row, tell it."""
    record = Record.parse(KEY, content)
    row = record.row({"news": releases.file_row("news", b"news")}, ASC if record.signature else None)
    told_again(row, content)
    return documents.release_json(row)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_told_of_a_row_makes_the_same_row_again(later: timedelta, *, signed: bool) -> None:
    row = a_release(published=_AT + later, signed=signed)
    content = documents.release_json(row)
    assert again(content) == content
    record = Record.parse(KEY, content)
    assert record.published == (row.published_at if later else None)
    assert record.objects.keys() == documents.keys(row)
    assert record.objects[paths.tarball_key(record.name)] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"more": 1},
        {"module": "GTK"},
        {"version": "4.18.01"},
        {"series": "4.20"},
        {"received": "2026-01-31"},
        {"published": "2026-01-31T23:59:59Z"},
        {"tarball": {"name": "gtk-4.18.1.tar.lz", "size": 7, "sha256": "0" * 64}},
        {"tarball": {"name": "gtk-4.18.1.tar.xz", "size": True, "sha256": "0" * 64}},
        {"tarball": {"name": "gtk-4.18.1.tar.xz", "size": 7, "sha256": "0" * 63}},
        {"files": [{"name": "../gtk-4.18.1.news", "size": 4, "sha256": "0" * 64}]},
        {"signature": {"name": "x"}},
        {"archive": [], "proof": None},
    ],
)
def test_any_other_release_json_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(documents.release_json(a_release()))
    content = json.dumps({**document, **change}, indent=2).encode() + b"\n"
    with pytest.raises(Mismatch):
        again(content)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"tarball": {}}', b"\xff"])
def test_what_is_no_release_json_is_refused(content: bytes) -> None:
    with pytest.raises(Mismatch):
        Record.parse(KEY, content)
