"""Fills a database and a store with small releases, past the service: what it would have published, but quicker."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from release_service import checksum, documents, paths
from release_service.db import Transactions, releases
from release_service.db.tables import Module, Release, ReleaseFile
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


def fill(transactions: Transactions, store: ReleaseStore, modules: int, each: int) -> None:
    """Publish *each* releases of each of *modules* modules, ``module1`` and so on; with news, and the indexes.

    Ten of a series, as most series have: ``1.0.0``, ``1.0.1`` and so on.
    """
    for module in range(1, modules + 1):
        with transactions.begin() as session:
            for table, rows in _rows(module, each).items():
                session.execute(insert(table), rows)
    with ThreadPoolExecutor(_AT_ONCE) as together:
        for objects in (_objects(transactions), _indexes(transactions)):
            for _ in together.map(lambda one: store.add(*one), objects):
                pass


def _rows(module: int, each: int) -> dict[Any, list[dict[str, Any]]]:
    name, first = f"module{module}", (module - 1) * each + 1
    news = f"{name}\n".encode() * 20
    file = {"ext": "news", "sha256": checksum.digest(news), "size": len(news), "deflated": zlib.compress(news)}
    one = {"module_id": module, "compression": "xz", "claimed_at": _NOW, "published_at": _NOW}
    made = {"archive": {"members": 1, "expanded_bytes": 1, "warnings": []}, "proof": {"kind": "gitlab-id-token"}}
    contents = [tarball(module, number) for number in range(each)]
    return {
        Module: [{"id": module, "name": name, "folded": name, "created_at": _NOW}],
        Release: [
            {
                "id": first + number,
                "version": f"1.{number // 10}.{number % 10}",
                "size": len(content),
                "sha256": checksum.digest(content),
            }
            | one
            | made
            for number, content in enumerate(contents)
        ],
        ReleaseFile: [{"release_id": first + number, **file} for number in range(each)],
    }


def _indexes(transactions: Transactions) -> Iterator[tuple[str, bytes]]:
    with transactions.read() as session:
        modules = releases.published_modules(session)
    for key, write in tree.archive(modules).items():
        yield key, write()
    for module in modules:
        with transactions.read() as session:
            snapshot = [index.indexed(row) for row in releases.published(session, module)]
        for key, write in tree.module(module, snapshot, b"").items():
            yield key, write()


def _objects(transactions: Transactions) -> Iterator[tuple[str, bytes]]:
    after = (0, "")
    while True:
        with transactions.read() as session:
            page = releases.page(session, None, None, after, _PAGE)
        if not page:
            return
        for release in page:
            number = int(release.version.removeprefix("1.").replace(".", ""))
            yield paths.tarball_key(releases.tarball_name(release)), tarball(release.module_id, number)
            for step in documents.beside(release):
                yield from step.items()
        after = (page[-1].module_id, page[-1].version)
