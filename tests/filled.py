"""Fills a database and a store with small releases, past the service: what it would have published, but quicker."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from builders import compress, tar
from release_service import checksum, documents, paths
from release_service.archive import Inspection, Limits
from release_service.archive.inspection import inspect
from release_service.db import Transactions, releases
from release_service.db.tables import ClaimedDigest, Module, Release, ReleaseFile, ReleaseText
from release_service.index import tree
from release_service.index import write as index
from release_service.store import ReleaseStore

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_AT_ONCE = 16
_PAGE = 500
_TARBALL_BYTES = 2000


def tarball(module: int, number: int) -> bytes:
    """Return the bytes of a tarball, which nobody looks into."""
    return f"module{module}-1.{number} ".encode() * (_TARBALL_BYTES // 16)


def good_tarball(module: int, number: int) -> bytes:
    """Return the bytes of a tarball that the service would accept."""
    top = f"module{module}-{_version(number)}"
    texts = {name: f"{top} {name}\n".encode() * 20 for name in ("NEWS", "ChangeLog")}
    return compress("gz", tar({"meson.build": top.encode(), **texts}, top))


def fill(
    transactions: Transactions, store: ReleaseStore, modules: int, each: int, *, first: int = 1, good: bool = False
) -> None:
    """Publish *each* releases of each of *modules* modules, ``module1`` and so on; with news, and the indexes.

    Ten of a series, as most series have: ``1.0.0``, ``1.0.1`` and so on.  *first*: the number of the first module;
    *good*: the tarballs can be looked into, and were.
    """
    for module in range(first, first + modules):
        with transactions.begin() as session:
            for table, rows in _rows(module, each, good=good).items():
                session.execute(insert(table), rows)
    with ThreadPoolExecutor(_AT_ONCE) as together:
        for objects in (_objects(transactions, first, good=good), _indexes(transactions, first)):
            for _ in together.map(lambda one: store.add(*one), objects):
                pass


def _version(number: int) -> str:
    return f"1.{number // 10}.{number % 10}"


def _rows(module: int, each: int, *, good: bool) -> dict[Any, list[dict[str, Any]]]:
    name, first = f"module{module}", (module - 1) * each + 1
    news = f"{name}\n".encode() * 20
    files = [
        {"ext": ext, "sha256": checksum.digest(news), "size": len(news), "deflated": zlib.compress(news)}
        for ext in (("news", "changes") if good else ("news",))
    ]
    one = {"module_id": module, "compression": "gz" if good else "xz", "claimed_at": _NOW, "published_at": _NOW}
    made = {"archive": {"members": 1, "expanded_bytes": 1, "warnings": []}, "proof": {"kind": "gitlab-id-token"}}
    contents = [(good_tarball if good else tarball)(module, number) for number in range(each)]
    looks = [_look(f"{name}-{_version(number)}", content) for number, content in enumerate(contents) if good]
    return {
        Module: [{"id": module, "name": name, "folded": name, "created_at": _NOW}],
        Release: [
            {
                "id": first + number,
                "version": _version(number),
                "size": len(content),
                "sha256": checksum.digest(content),
            }
            | one
            | made
            | ({"archive": documents.archive(looks[number])} if good else {})
            for number, content in enumerate(contents)
        ],
        ReleaseFile: [{"release_id": first + number, **file} for number in range(each) for file in files],
        ClaimedDigest: [{"sha256": checksum.digest(content)} for content in contents],
        **(
            {ReleaseText: [row for number, found in enumerate(looks) for row in _texts(first + number, found)]}
            if good
            else {}
        ),
    }


def _look(top: str, content: bytes) -> Inspection:
    pieces = iter([content])
    return inspect(lambda: next(pieces, b""), "gz", top, Limits())


def _texts(release_id: int, found: Inspection) -> list[dict[str, Any]]:
    texts = {**found.texts, releases.LISTING: found.listing}
    return [{"release_id": release_id, "name": name, "deflated": zlib.compress(text)} for name, text in texts.items()]


def _indexes(transactions: Transactions, first: int) -> Iterator[tuple[str, bytes]]:
    with transactions.read() as session:
        modules = releases.published_modules(session)
    if first == 1:
        for key, write in tree.archive(modules).items():
            yield key, write()
    for module in [module for module in modules if int(module.removeprefix("module")) >= first]:
        with transactions.read() as session:
            snapshot = [index.indexed(row) for row in releases.published(session, module)]
        for key, write in tree.module(module, snapshot, b"").items():
            yield key, write()


def _objects(transactions: Transactions, first: int, *, good: bool) -> Iterator[tuple[str, bytes]]:
    after = (first - 1, "\U0010ffff")
    while True:
        with transactions.read() as session:
            page = releases.page(session, None, None, after, _PAGE)
        if not page:
            return
        for release in page:
            number = int(release.version.removeprefix("1.").replace(".", ""))
            content = (good_tarball if good else tarball)(release.module_id, number)
            yield paths.tarball_key(releases.tarball_name(release)), content
            for step in documents.beside(release):
                yield from step.items()
        after = (page[-1].module_id, page[-1].version)
