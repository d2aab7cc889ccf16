"""Seeded bugs: each looks right, and is not.  Each puts itself into the real code."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.orm import Session

from release_service import beside, finish, paths, promises, publish, signing
from release_service.db import follow_ups, mails, releases
from release_service.db.tables import Release
from release_service.errors import Changed
from release_service.index import cache_json
from release_service.index import write as index
from release_service.store import ReleaseStore

Patch = pytest.MonkeyPatch


def index_first(patch: Patch) -> None:
    """Make it public first, and store what stands beside the tarball behind the index."""
    write = index.write_module
    store = beside.store

    def write_then_store(to: ReleaseStore, transactions: Any, name: Any, *more: Any, **named: Any) -> None:
        write(to, transactions, name, *more, **named)
        with transactions.read() as session:
            release = releases.held(session, name)
        store(to, transactions, release)

    patch.setattr(beside, "store", lambda *_: None)
    patch.setattr(index, "write_module", write_then_store)


def no_404_purge(patch: Patch) -> None:
    """Let the CDN believe that new files are missing."""
    patch.setattr(promises, "_let_be_found", lambda *_: None)


def only_the_own_404s_are_purged(patch: Patch) -> None:
    """Let the CDN forget what was public when the indexes were begun; another release may be public a moment later."""
    finder = promises.finder

    def own(keeper: Any) -> Callable[[Any], None]:
        find, first = finder(keeper), set[int]()

        def find_own(named: Any) -> None:
            if not first:
                first.update(row.id for row in named)
            find([row for row in named if row.id in first])

        return find_own

    patch.setattr(promises, "finder", own)


def snapshot_before_etag(patch: Patch) -> None:
    """Read the rows first, then the document that is replaced."""

    def rewrite(store: ReleaseStore, key: str, build: Callable[[bytes | None], bytes]) -> None:
        while True:
            there = store.read(key)
            content = build(there.content if there else None)
            before = store.read(key)
            if before is not None and before.content == content:
                return
            with suppress(Changed):
                store.replace(key, content, expected=before)
                return

    patch.setattr(index, "rewrite", rewrite)


def blind_regenerate(patch: Patch) -> None:
    """Write the index from the rows, whatever it says now."""

    def grown(module: str, _before: bytes | None, snapshot: Any, others: Any, *, has_keyring: bool) -> bytes:
        return cache_json.write(module, snapshot, others, has_keyring=has_keyring)

    patch.setattr(index, "_grown", grown)


def token_outside_the_claim(patch: Patch) -> None:
    """Bind the token in a transaction of its own, after the claim's."""
    use, claim = publish._use_token, publish._claim

    def claim_then_use(service: Any, tarball: Any, found: Any, signed: Any, grant: Any) -> Release:
        release = claim(service, tarball, found, signed, grant)
        with service.transactions.begin() as session:
            use(service, session, tarball, grant)
        return release

    patch.setattr(publish, "_use_token", lambda *_: None)
    patch.setattr(publish, "_claim", claim_then_use)


def mail_before_visible(patch: Patch) -> None:
    """Send mail as soon as it is promised."""
    promise = mails.promise

    def at_once(session: Session, to: Any, subject: str, body: str, now: Any, _release: Any = None) -> None:
        promise(session, to, subject, body, now)

    patch.setattr(mails, "promise", at_once)


def promise_after_the_commit(patch: Patch) -> None:
    """Promise the indexes in a transaction of its own, after the one that publishes."""
    make, promise = publish.make_public, follow_ups.promise

    def make_then_promise(service: Any, release: Any, by: Any, request_id: str) -> tuple[Release, bool]:
        late: list[tuple[Any, ...]] = []

        def keep_back(_session: Session, *what: Any) -> None:
            late.append(what)

        with pytest.MonkeyPatch.context() as now:
            now.setattr(follow_ups, "promise", keep_back)
            made = make(service, release, by, request_id)
        with service.transactions.begin() as session:
            for what in late:
                promise(session, *what)
        return made

    patch.setattr(publish, "make_public", make_then_promise)
    patch.setattr(finish, "make_public", make_then_promise)


def store_before_claim(patch: Patch) -> None:
    """Add the tarball, then take its name."""
    claim = publish._claim

    def add_then_claim(service: Any, tarball: Any, found: Any, signed: Any, grant: Any) -> Release:
        tarball.file.seek(0)
        service.store.add(paths.tarball_key(tarball.name), tarball.file.read())
        return claim(service, tarball, found, signed, grant)

    patch.setattr(publish, "_claim", add_then_claim)


def reply_before_the_index(patch: Patch) -> None:
    """Answer 2xx, and leave the indexes to the worker."""
    patch.setattr(publish, "keep_promises", lambda *_: None)


def a_death_is_nobody_s_business(patch: Patch) -> None:
    """Leave claims to those who made them."""
    patch.setattr(follow_ups, "promise_once", lambda *_: None)
    patch.setattr(follow_ups, "promise_finishing", lambda *_: 0)


def late_signature_is_not_told_again(patch: Patch) -> None:
    """Publish a signature that comes later without promising the index anew."""
    make = publish.make_signature_public

    def untold(service: Any, session: Session, release: Any, grant: Any) -> bool:
        with pytest.MonkeyPatch.context() as now:
            now.setattr(follow_ups, "promise", lambda *_: None)
            return make(service, session, release, grant)

    patch.setattr(publish, "make_signature_public", untold)
    patch.setattr(finish, "make_signature_public", untold)


def signature_file_without_its_row(patch: Patch) -> None:
    """Store a signature's file in front of the transaction that takes its row: nobody knows of it if that fails."""
    settle = signing.settle

    def store_first(session: Session, store: Any, release: Any, signed: Any, moment: Any) -> None:
        if signed is not None:
            name = releases.tarball_name(release)
            store.add(paths.release_key(name, paths.signature_ext(name)), signed.text.encode("ascii"))
        settle(session, store, release, signed, moment)

    patch.setattr(signing, "settle", store_first)
