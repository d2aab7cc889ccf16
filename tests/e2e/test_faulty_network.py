"""Between the service and its database, or its S3, the network fails: 503 in time, nothing lost, healed without hands.

Each case has a replica of its own, behind proxies of its own, on one database and bucket; they run side by side.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

import forked
from builders import noise_tarball
from components import wait_until
from fault_proxy import BLACK_HOLE, LOSES_ANSWERS, PASS, REFUSE, SLOW, FaultProxy, cut_after, fault_proxy
from release_service.db import connect
from release_service.db.tables import FollowUp, Module
from release_service.db.wake import Waiter
from release_service.demo.gitlab import StandInGitLab
from release_service.verify import Scope
from uploads import Environment, Uploads, make_uploads
from whole import assert_readable, assert_whole

pytestmark = [pytest.mark.real, pytest.mark.deep]

MIB = 1024 * 1024
# Each deadline is below a minute; what waits for one has shorter ones.
LONGEST_S = 60
SHORT = {"RELEASE_SERVICE_S3_TIMEOUT_S": "1.5", "RELEASE_SERVICE_DATABASE_TIMEOUT_S": "4"}

MIDDLE: list[bytes] = []
S3_STEPS = {
    "middle of the upload": MIDDLE,
    "tarball": [b".tar.gz?"],
    "beside it": [b".sha256sum HTTP"],
    "index": [b"cache.json HTTP"],
}
DATABASE_STEPS = {
    "middle of the upload": MIDDLE,
    "claim": [b"INSERT INTO releases"],
    "claimed": [b"INSERT INTO releases", b"COMMIT"],
    "publication": [b"UPDATE releases SET published_at"],
    "published": [b"UPDATE releases SET published_at", b"COMMIT"],
    "index": [b"UPDATE releases SET published_at", b"COMMIT", b"BEGIN"],
}
STEPS = {"database": DATABASE_STEPS, "s3": S3_STEPS}
FAULTS = {
    "cut": cut_after(0),
    "cut later": cut_after(MIB),
    "answers lost": LOSES_ANSWERS,
    "refused": REFUSE,
    "black hole": BLACK_HOLE,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A fault of a part, from a step on; `module` is what is sent meanwhile."""

    part: str
    step: str
    fault: str
    module: str
    path: Path
    base: str
    proxies: dict[str, FaultProxy]

    def __str__(self) -> str:
        return f"{self.part}: {self.fault} at {self.step}"

    def body(self) -> Iterator[bytes]:
        content = self.path.read_bytes()
        yield content[: len(content) // 2]
        if not STEPS[self.part][self.step]:
            self.proxies[self.part].switch(FAULTS[self.fault])
        yield content[len(content) // 2 :]


def send(case: Case, uploads: Uploads, content: Iterator[bytes]) -> httpx2.Response:
    headers = {
        "Authorization": f"Bearer {uploads.token(case.path.name)}",
        "Content-Length": str(case.path.stat().st_size),
    }
    url = f"{case.base}/api/v1/tarballs/{case.path.name}"
    with httpx2.Client(trust_env=False, timeout=LONGEST_S) as http:
        return http.put(url, headers=headers, content=content)


@pytest.fixture
def uploads(environment_of: Callable[[str], Environment], gitlab: StandInGitLab) -> Iterator[Uploads]:
    """What the replicas work on, without proxies."""
    with make_uploads(environment_of("production"), gitlab) as made:
        yield made


@contextlib.contextmanager
def cases(uploads: Uploads, home: Path, wanted: Sequence[tuple[str, str, str]]) -> Iterator[list[Case]]:
    settings = uploads.parts.settings
    short = SHORT if ("s3", "index", "black hole") in wanted else {}
    database, s3 = make_url(settings.database_url), urlsplit(settings.s3_endpoint_url or "")
    with contextlib.ExitStack() as all_:
        made = []
        for number, (part, step, fault) in enumerate(wanted):
            proxies = {
                "database": all_.enter_context(fault_proxy(database.port or 0)),
                "s3": all_.enter_context(fault_proxy(s3.port or 0)),
            }
            through = database.set(port=proxies["database"].port).render_as_string(hide_password=False)
            environment = short | {
                "RELEASE_SERVICE_DATABASE_URL": through,
                "RELEASE_SERVICE_S3_ENDPOINT_URL": f"http://127.0.0.1:{proxies['s3'].port}",
                "RELEASE_SERVICE_STORE_URL": settings.store_url,
                "RELEASE_SERVICE_STAGING_DIR": str(settings.staging),
                "RELEASE_SERVICE_GITLAB_ISSUER": settings.gitlab_issuer,
            }
            base, _ = all_.enter_context(forked.service(environment, home / f"log{number}"))
            module = f"module{number}"
            path = noise_tarball(f"{module}-1.0", 3 * MIB, home, NEWS="1\n2\n")
            made.append(Case(part, step, fault, module, path, base, proxies))
        yield made


def suffer(case: Case, uploads: Uploads) -> tuple[httpx2.Response, float]:
    """Send while the fault begins; return the answer, and how long it took."""
    steps = STEPS[case.part][case.step]
    if steps:
        case.proxies[case.part].when(steps, FAULTS[case.fault])
    began = time.monotonic()
    answer = send(case, uploads, case.body())
    return answer, time.monotonic() - began


def pass_by(uploads: Uploads, module: str) -> None:
    """Let nobody be believed to be at work on *module* still."""
    with uploads.parts.service.transactions.begin() as session:
        for one in session.scalars(select(FollowUp).join(Module).where(Module.name == module)):
            one.due_at, one.leased_until = one.promised_at - timedelta(minutes=2), None


def heal(case: Case, uploads: Uploads) -> None:
    """End the fault: if the tarball was stored, nobody has to do anything; else its sender comes again."""
    assert_readable(uploads, case.module)
    key = f"sources/{case.module}/1.0/{case.path.name}"
    was_stored = key in uploads.parts.service.store.keys(key)
    case.proxies[case.part].switch(PASS)
    if was_stored:
        pass_by(uploads, case.module)
        wait_until(lambda: uploads.parts.service.store.read(f"sources/{case.module}/cache.json") is not None)
    again = send(case, uploads, iter([case.path.read_bytes()]))
    assert again.status_code in ({200} if was_stored else {200, 201}), (str(case), again.text)


def test_a_slow_network_only_takes_longer(uploads: Uploads, tmp_path: Path) -> None:
    with cases(uploads, tmp_path, [("s3", "index", "cut")]) as (case,):
        for proxy in case.proxies.values():
            proxy.switch(SLOW)
        assert send(case, uploads, case.body()).status_code == 201
    assert_whole(uploads)


def test_a_worker_that_wants_to_be_called_does_not_wait_for_ever(postgresql_url: str) -> None:
    direct = make_url(postgresql_url)
    with fault_proxy(direct.port or 0) as proxy:
        engine = connect(direct.set(port=proxy.port).render_as_string(hide_password=False))
        waiter = Waiter(engine)
        proxy.when([b"LISTEN"], BLACK_HOLE)
        began = time.monotonic()
        waiter.wait(0.1)
        assert (proxy.has_switched, time.monotonic() - began < 20) == (True, True)
        proxy.switch(PASS)
        waiter.wait(0.1)
        assert waiter._connection is not None
        waiter.close()


# Not more replicas at once than PostgreSQL has connections for.
FAILING_S3 = [
    *(("s3", step, fault) for step in S3_STEPS for fault in ("cut", "refused")),
    ("s3", "tarball", "cut later"),
    ("s3", "beside it", "answers lost"),
]
FAILING_DATABASE = [
    *(("database", step, fault) for step in DATABASE_STEPS for fault in ("cut", "refused")),
    ("database", "claimed", "answers lost"),
    ("database", "published", "answers lost"),
]
SILENT = [
    *(("s3", step, "black hole") for step in S3_STEPS),
    *(("database", step, "black hole") for step in DATABASE_STEPS),
]


@pytest.mark.parametrize("wanted", [FAILING_S3, FAILING_DATABASE, SILENT], ids=["s3", "database", "silent"])
def test_a_part_that_cannot_be_reached_costs_a_503_in_time_and_nothing_else(
    uploads: Uploads, tmp_path: Path, wanted: Sequence[tuple[str, str, str]]
) -> None:
    with cases(uploads, tmp_path, wanted) as made:
        with ThreadPoolExecutor(len(made)) as together:
            suffered = list(together.map(lambda case: suffer(case, uploads), made))
        for case, (answer, took_s) in zip(made, suffered, strict=True):
            what = f"{case} {took_s:.1f} s: {answer.status_code} {answer.text}"
            assert case.proxies[case.part].has_switched, what
            assert (answer.status_code, int(answer.headers.get("retry-after", "0")) > 0) == (503, True), what
            assert took_s < LONGEST_S, (str(case), took_s)
        with ThreadPoolExecutor(4) as together:
            list(together.map(lambda case: heal(case, uploads), made))
        for case in made:
            assert_whole(uploads, Scope(case.module, "1.0"))
    assert_whole(uploads)
    for number, case in enumerate(made):
        assert "Traceback" not in (tmp_path / f"log{number}").read_text(), str(case)
