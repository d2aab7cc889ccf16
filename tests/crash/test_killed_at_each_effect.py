"""SIGKILL before and after each effect of a real process: the same bytes, or a worker alone, end in one whole release.

On PostgreSQL and SeaweedFS.  After every second death a worker, a process of its own, has to finish what was
stored; after the others the client comes again, to another replica.
"""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

import forked
from builders import a_tarball
from components import wait_until
from killed_at import die
from registry import Interrupted, People, make_signers, signature
from release_service.db.tables import ReleaseSignature
from release_service.demo.gitlab import StandInGitLab
from release_service.store import ReleaseStore
from release_service.verify import Scope
from uploads import Environment
from whole import assert_readable, assert_whole, is_quiet

pytestmark = [pytest.mark.real, pytest.mark.deep]

NEWS = "1\n2\n3\n4\n"
_LATER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Crashes:
    """People and a replica that live, beside processes on the same database and store that are killed."""

    people: People
    environment: Environment
    home: Path

    @contextmanager
    def dying(self, nth: int, *, after: bool) -> Iterator[tuple[str, forked.Running]]:
        prepare = partial(die, nth, after=after, command="serve")
        with forked.service(self.environment, self.home / "log", prepare=prepare) as (base, process):
            yield base, process

    @contextmanager
    def worker(self, prepare: Callable[[], None] | None = None) -> Iterator[forked.Running]:
        with forked.running("worker", environment=self.environment, log=self.home / "log", prepare=prepare) as process:
            yield process

    def pass_by(self) -> None:
        """Let nobody be believed to be at it still."""
        self.people.uploads.pass_by(_LATER)
        with self.people.uploads.parts.service.transactions.begin() as session:
            for taken in session.scalars(select(ReleaseSignature).where(ReleaseSignature.published_at.is_(None))):
                taken.added_at -= _LATER

    def work(self) -> None:
        """Let a worker alone do what can be done."""
        self.pass_by()
        with self.worker():
            wait_until(lambda: is_quiet(self.people.uploads))

    def published(self, module: str, version: str) -> bool:
        return self.people.uploads.http.get(f"/api/v1/releases/{module}/{version}").is_success


@pytest.fixture
def crashes(environment_of: Callable[[str], Environment], gitlab: StandInGitLab, tmp_path: Path) -> Iterator[Crashes]:
    environment = environment_of("production")
    with make_signers(environment, gitlab) as people:
        yield Crashes(people, environment | {"RELEASE_SERVICE_SSO_ISSUER": people.sso.issuer}, tmp_path)


Again = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Act:
    """What is sent: to a URL that may die, and once more to a replica that lives."""

    module: str
    version: str
    method: str
    path: str
    token: Callable[[], str]
    content: bytes

    def send(self, base: str) -> int:
        """Return the answer's status, 0 if none came."""
        try:
            with httpx2.Client(trust_env=False, timeout=60) as http:
                return http.request(
                    self.method, base + self.path, headers=self.headers, content=self.content
                ).status_code
        except httpx2.TransportError:
            return 0

    def again(self, people: People) -> int:
        return people.uploads.http.request(
            self.method, self.path, headers=self.headers, content=self.content
        ).status_code

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}", "Accept": "application/json"}


def upload(people: People, module: str, version: str) -> Act:
    name = f"{module}-{version}.tar.xz"
    content = a_tarball(name, NEWS=f"{version}\na\nb\nc\nd\n{NEWS}")
    token = partial(people.uploads.token, name)
    return Act(module, version, "PUT", f"/api/v1/tarballs/{name}", token, content)


def first_release(people: People, number: int) -> Act:
    return upload(people, f"module{number}", "1.0")


def next_release(people: People, number: int) -> Act:
    if number == 1:
        assert upload(people, "gtk", "4.18.0").again(people) == 201
    return upload(people, "gtk", f"4.18.{number}")


def signature_later(people: People, number: int) -> Act:
    version = f"4.18.{number}"
    released = upload(people, "gtk", version)
    assert released.again(people) == 201
    path, token = f"/api/v1/releases/gtk/{version}/signature", partial(people.token, "bob")
    return Act("gtk", version, "PUT", path, token, signature("bob", released.content))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("act_of", "least"), [(first_release, 16), (next_release, 14), (signature_later, 8)])
def test_a_request_that_is_killed_at_any_effect_ends_in_one_whole_release(
    crashes: Crashes, act_of: Callable[[People, int], Act], least: int, *, after: bool
) -> None:
    people = crashes.people
    for nth in itertools.count(1):
        act = act_of(people, nth)
        with crashes.dying(nth, after=after) as (base, process):
            answered = act.send(base)
            if answered:
                assert answered == 201
                break  # it has fewer effects: each has been its last one
            assert process.ended() == -signal.SIGKILL
        assert_readable(people.uploads, act.module)
        if nth % 2:
            crashes.work()
            if crashes.published(act.module, act.version):
                assert_whole(people.uploads, Scope(act.module, act.version))
        assert act.again(people) in {200, 201}
        assert_whole(people.uploads, Scope(act.module, act.version))
    assert nth > least
    print(f"{act.path}: {nth - 1} kills")  # noqa: T201 - figures, shown with -s
    crashes.work()
    assert_whole(people.uploads)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_that_is_killed_at_any_effect_leaves_what_another_one_finishes(
    crashes: Crashes, *, after: bool
) -> None:
    people = crashes.people
    for nth in itertools.count(1):
        act = next_release(people, nth)
        dies_after_storing(people, act)
        crashes.pass_by()
        with crashes.worker(partial(die, nth, after=after, command="worker")) as worker:
            assert worker.ended() == -signal.SIGKILL
        assert_readable(people.uploads, act.module)
        if is_quiet(people.uploads):
            break  # it has died of what it does when nothing is to be done
        if nth % 2:
            crashes.work()
            assert_whole(people.uploads, Scope(act.module, act.version))
        assert act.again(people) in {200, 201}
        assert_whole(people.uploads, Scope(act.module, act.version))
    assert nth > 12
    print(f"worker: {nth - 1} kills")  # noqa: T201 - figures, shown with -s
    crashes.work()
    assert_whole(people.uploads)


class Died(Exception):
    """What nothing in the service knows: it passes through everything, as a death does."""


def dies() -> None:
    raise Died


def dies_after_storing(people: People, act: Act) -> None:
    """Leave a claim whose tarball was stored, and nothing else."""
    parts, app = people.uploads.parts, people.uploads.http.app
    store: ReleaseStore = Interrupted(parts.service.store, ".sha256sum", dies, after=False)
    app.state.parts = replace(parts, service=replace(parts.service, store=store))  # type: ignore[attr-defined]
    with pytest.raises(Died):
        act.again(people)
    app.state.parts = parts  # type: ignore[attr-defined]
