"""Whatever write fails, or dies, the same bytes again end in one whole release, and never in a half one."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from builders import a_tarball
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import DatabaseUnavailable, StoreUnavailable
from release_service.index import cache_json
from release_service.publish import Service
from release_service.store import Document, Source, Staged
from release_service.store.local import LocalStore
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

NEWS = "1\n2\n3\n4\n"


class Died(Exception):
    """What nothing in the service knows: it passes through everything, as a death does."""


class Countdown:
    """Raises *failure* at the nth effect, before it is done or after."""

    def __init__(self, nth: int, failure: BaseException, *, after: bool) -> None:
        self.left, self.failure, self.after = nth, failure, after

    def effect(self, do: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise self.failure
        done = do()
        if self.left == 0:
            raise self.failure
        return done


class FailingStore(LocalStore):
    """A directory whose nth write fails, as a disk or a bucket would."""

    def __init__(self, root: Path, countdown: Countdown) -> None:
        super().__init__(root)
        self.countdown = countdown

    @contextmanager
    def stage(self, key: str, source: Source) -> Iterator[Staged]:
        with super().stage(key, source) as staged:
            countdown = self.countdown

            class Failing:
                def add(self) -> None:
                    countdown.effect(staged.add)

            yield Failing()

    def add(self, key: str, content: bytes) -> None:
        self.countdown.effect(lambda: super(FailingStore, self).add(key, content))

    def replace(self, key: str, content: bytes, *, expected: Document | None) -> None:
        self.countdown.effect(lambda: super(FailingStore, self).replace(key, content, expected=expected))

    def remove(self, key: str) -> None:
        self.countdown.effect(lambda: super(FailingStore, self).remove(key))


class FailingTransactions:
    """Transactions of which the nth fails, before its commit or after."""

    def __init__(self, transactions: Any, countdown: Countdown) -> None:
        self.transactions, self.countdown = transactions, countdown

    def begin(self) -> AbstractContextManager[Session]:
        return self._failing(self.transactions.begin())

    def read(self) -> AbstractContextManager[Session]:
        return self._failing(self.transactions.read())

    @contextmanager
    def _failing(self, context: AbstractContextManager[Session]) -> Iterator[Session]:
        session = context.__enter__()
        try:
            yield session
        except BaseException as error:
            if not context.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            if self.countdown.left == 1 and not self.countdown.after:
                session.rollback()
            self.countdown.effect(lambda: context.__exit__(None, None, None))


def failing(service: Service, part: str, countdown: Countdown) -> Service:
    if part == "store":
        store = service.store
        assert isinstance(store, LocalStore)
        return replace(service, store=FailingStore(store.root, countdown))
    return replace(service, transactions=FailingTransactions(service.transactions, countdown))  # type: ignore[arg-type]


@pytest.fixture
def embedded(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> Iterator[Uploads]:
    with make_uploads(environment_of("embedded"), gitlab) as uploads:
        yield uploads


FAILURES = {
    "store is down": ("store", StoreUnavailable("down")),
    "database is down": ("database", DatabaseUnavailable("down")),
    "dies at the store": ("store", Died()),
    "dies at the database": ("database", Died()),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("failure", FAILURES)
def test_sending_the_same_bytes_again_mends_a_failure_at_any_effect(
    embedded: Uploads, failure: str, *, after: bool
) -> None:
    part, raised = FAILURES[failure]
    whole = embedded.parts.service
    for nth in itertools.count(1):
        name = f"gtk-4.18.{nth}.tar.xz"
        countdown = Countdown(nth, raised, after=after)
        embedded.http.app.state.parts = replace(embedded.parts, service=failing(whole, part, countdown))  # type: ignore[attr-defined]
        content = a_tarball(name, NEWS=f"{nth}a\n{nth}b\n{nth}c\n" + NEWS)
        try:
            status = embedded.post(name, content).status_code
        except Died:
            status = 0
        readable_index_is_true(embedded)
        if countdown.left > 0:
            break  # more effects were allowed than there are: each has failed once
        assert status in {0, 503, 201}
        embedded.http.app.state.parts = embedded.parts  # type: ignore[attr-defined]
        assert embedded.post(name, content).status_code in {200, 201}
        release_is_whole(embedded, name)
        assert embedded.staged() == []
    assert nth > 5


def readable_index_is_true(uploads: Uploads) -> None:
    """Every path that cache.json names is there (invariant I1)."""
    cache = uploads.parts.service.store.read("sources/gtk/cache.json")
    for files in cache_json_files(cache):
        for path in files.values():
            assert uploads.read(f"sources/gtk/{path}")


def cache_json_files(cache: Document | None) -> list[dict[str, str]]:
    import json  # noqa: PLC0415 - here only

    return list(json.loads(cache.content)[1]["gtk"].values()) if cache else []


def release_is_whole(uploads: Uploads, name: str) -> None:
    stem = name.removesuffix(".tar.xz")
    version = stem.removeprefix("gtk-")
    keys = uploads.stored()
    for ext in ("tar.xz", "sha256sum", "news", "release.json"):
        assert f"sources/gtk/4.18/{stem}.{ext}" in keys
    assert cache_json.versions("gtk", uploads.read("sources/gtk/cache.json"))[-1] == version
    assert f"sources/gtk/4.18/LATEST-IS-{version}" in keys
    assert sum("LATEST-IS" in key for key in keys) == 1
    assert name.encode() in uploads.read("sources/gtk/4.18/index.html")
    assert b'"gtk/"' in uploads.read("sources/index.html")


def test_news_is_what_it_was_when_the_version_was_claimed(embedded: Uploads) -> None:
    """Another version may be published between the death of an upload and its second attempt."""
    name, content = "gtk-4.18.2.tar.xz", a_tarball("gtk-4.18.2.tar.xz", NEWS="2\nb\nc\nd\n1\nb\nc\nd\n")
    countdown = Countdown(4, Died(), after=False)
    parts = replace(embedded.parts, service=failing(embedded.parts.service, "store", countdown))
    embedded.http.app.state.parts = parts  # type: ignore[attr-defined]
    with pytest.raises(Died):
        embedded.post(name, content)
    embedded.http.app.state.parts = embedded.parts  # type: ignore[attr-defined]
    older = a_tarball("gtk-4.18.1.tar.xz", NEWS="1\nb\nc\nd\n")
    assert embedded.post("gtk-4.18.1.tar.xz", older).status_code == 201
    assert embedded.post(name, content).status_code == 201
    assert embedded.read("sources/gtk/4.18/gtk-4.18.2.news") == b"2\nb\nc\nd\n1\nb\nc\nd\n"


def test_a_promise_of_another_series_is_kept_by_the_next_release(embedded: Uploads) -> None:
    countdown = Countdown(6, Died(), after=False)
    embedded.http.app.state.parts = replace(  # type: ignore[attr-defined]
        embedded.parts, service=failing(embedded.parts.service, "store", countdown)
    )
    with pytest.raises(Died):
        embedded.post("gtk-4.16.1.tar.xz", a_tarball("gtk-4.16.1.tar.xz", NEWS=NEWS))
    embedded.http.app.state.parts = embedded.parts  # type: ignore[attr-defined]
    assert embedded.rows()["follow_ups"] == 3  # its claim was finished, its index and that of the archive are open
    assert embedded.post("gtk-4.18.0.tar.xz", a_tarball("gtk-4.18.0.tar.xz")).status_code == 201
    assert "sources/gtk/4.16/LATEST-IS-4.16.1" in embedded.stored()
    assert b"gtk-4.16.1.tar.xz" in embedded.read("sources/gtk/4.16/index.html")


def test_an_index_never_loses_a_version_that_the_database_has_forgotten(embedded: Uploads) -> None:
    """A restored copy of the database must not un-publish what was released after it was made."""
    embedded.post("gtk-4.18.0.tar.xz", a_tarball("gtk-4.18.0.tar.xz"))
    key = "sources/gtk/cache.json"
    store = embedded.parts.service.store
    longer = embedded.read(key).replace(b'["4.18.0"]', b'["4.18.0", "4.18.7"]')
    store.replace(key, longer, expected=store.read(key))
    answer = embedded.post("gtk-4.18.1.tar.xz", a_tarball("gtk-4.18.1.tar.xz"))
    assert (answer.status_code, "index_would_shrink" in answer.text) == (503, True)
    assert embedded.read(key) == longer


def test_other_bytes_in_the_store_are_an_alarm_and_stay(embedded: Uploads) -> None:
    key = "sources/gtk/4.18/gtk-4.18.0.tar.xz"
    embedded.parts.service.store.add(key, b"not ours")
    answer = embedded.post("gtk-4.18.0.tar.xz", a_tarball("gtk-4.18.0.tar.xz"))
    assert (answer.status_code, "store_conflict" in answer.text) == (503, True)
    assert embedded.read(key) == b"not ours"
    assert "sources/gtk/cache.json" not in embedded.stored()
