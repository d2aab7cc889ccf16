"""What one uploader, and one address, may ask of all replicas together; and what is switched off."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

import components
from builders import a_tarball
from persons import StandInSso
from release_service import limits
from release_service.db import audit
from release_service.db import limits as rows
from release_service.db.tables import RateCount, UploadLease
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import TooManyRequests
from release_service.identity import Uploader
from release_service.limits import SWITCHES
from release_service.web import admission
from replicas import Clock, replica
from uploads import Environment, Uploads

pytestmark = pytest.mark.slow

KINDS = ("embedded", pytest.param("production", marks=pytest.mark.real))
NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)
BAD = "a.b.c"
Make = Callable[..., Uploads]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
def make(
    request: pytest.FixtureRequest, environment_of: Callable[[str], Environment], gitlab: StandInGitLab, clock: Clock
) -> Iterator[Make]:
    """Return a function that makes one more replica; the settings are the test's."""
    environment = environment_of(request.param)
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(replica(environment, gitlab, clock, **settings))


def code(answer: httpx2.Response, status: int) -> str:
    """Return the code of a refusal that must have *status*, and say when to come back."""
    assert (answer.status_code, "retry-after" in answer.headers) == (status, True), answer.text
    return answer.text.partition("(")[2].partition(")")[0]


def check(uploads: Uploads, **claims: Any) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {uploads.token(NAME, **claims)}"}
    return uploads.http.post("/api/v1/check", json={"filename": NAME}, headers=headers)


def hold(uploads: Uploads, subject: str = "project:1665", address: str = "203.0.113.7") -> str:
    """Begin an upload in that replica, and do not go on with it."""
    service = uploads.parts.service
    who = Uploader("gitlab-id-token", uploads.gitlab.issuer, subject, "mclasen", "", {})
    with service.transactions.begin() as session:
        return limits.begin_upload(session, uploads.parts.service.limits, who, address, service.now())


def leases(uploads: Uploads) -> int:
    with uploads.parts.service.transactions.begin() as session:
        return session.scalar(select(func.count()).select_from(UploadLease)) or 0


def test_one_uploader_asks_only_so_often_an_hour_in_all_replicas_together(make: Make, clock: Clock) -> None:
    replicas = [make(max_requests_per_uploader_per_hour=3) for _ in range(2)]
    answers = [check(replicas[number % 2]) for number in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == str(29 * 60 + 40)
    assert replicas[0].post(NAME, GOOD).status_code == 429
    assert replicas[0].stored() == []
    assert check(replicas[0], project="GNOME/glib", project_id="7").status_code == 200
    clock.pass_by(29 * 60 + 40)
    assert replicas[1].post(NAME, GOOD).status_code == 201


def test_too_many_requests_are_written_down_once_a_minute(make: Make, clock: Clock) -> None:
    uploads = make(max_requests_per_uploader_per_hour=1)
    uploads.post(NAME, GOOD)
    for _ in range(3):
        assert code(uploads.post(NAME, GOOD), 429) == "too_many_requests"
    clock.pass_by(60)
    uploads.post(NAME, GOOD)
    assert [row["code"] for row in uploads.audited()] == [
        "claimed",
        "claimed",
        "published",
        "too_many_requests",
        "too_many_requests",
    ]


def test_one_uploader_has_only_so_many_uploads_at_once_in_all_replicas_together(make: Make) -> None:
    one, other = (make(max_uploads_at_once_per_uploader=2) for _ in range(2))
    held = [hold(one, address="198.51.100.1"), hold(other, address="198.51.100.2")]
    answer = one.post(NAME, GOOD)
    assert (code(answer, 429), answer.headers["retry-after"]) == ("too_many_requests", "15")
    assert "has 2 uploads under way" in answer.text
    assert (one.stored(), one.staged(), leases(one)) == ([], [], 2)
    assert other.post("glib-1.0.tar.xz", a_tarball("glib-1.0.tar.xz"), project_id="7").status_code == 201
    with one.parts.service.transactions.begin() as session:
        rows.end_lease(session, held[0])
    assert other.post(NAME, GOOD).status_code == 201


def test_from_one_address_come_only_so_many_uploads_at_once_in_all_replicas_together(make: Make) -> None:
    one, other = (make(max_uploads_at_once_per_address=2) for _ in range(2))
    elsewhere = make(max_uploads_at_once_per_address=2, address="198.51.100.1")
    hold(one, "project:1")
    hold(other, "project:2")
    answer = other.post(NAME, GOOD)
    assert code(answer, 429) == "too_many_requests"
    assert "From your address 2 uploads are under way" in answer.text
    assert elsewhere.post(NAME, GOOD).status_code == 201


def test_uploads_that_begin_at_the_same_moment_do_not_slip_through_together(make: Make) -> None:
    replicas = [make(max_uploads_at_once_per_uploader=3) for _ in range(2)]
    ready = threading.Barrier(12)

    def begin(number: int) -> bool:
        ready.wait()
        try:
            hold(replicas[number % 2], address=f"198.51.100.{number}")
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(12) as together:
        assert sum(together.map(begin, range(12))) == 3
    assert leases(replicas[0]) == 3


def test_the_uploads_of_a_replica_that_died_end_by_themselves(make: Make, clock: Clock) -> None:
    one, other = (make(max_uploads_at_once_per_uploader=1) for _ in range(2))
    hold(one)
    clock.pass_by(rows.LEASE_S - 1)
    assert other.post(NAME, GOOD).status_code == 429
    clock.pass_by(2)
    assert other.post(NAME, GOOD).status_code == 201
    with other.parts.service.transactions.begin() as session:
        rows.sweep(session, clock())
    assert leases(other) == 0


def test_an_upload_that_takes_long_stays_under_way(make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = make(max_uploads_at_once_per_uploader=1)
    lease = hold(uploads)
    monkeypatch.setattr(rows, "LEASE_S", 0.3)

    def expires_at() -> datetime:
        with uploads.parts.service.transactions.read() as session:
            return session.scalars(select(UploadLease.expires_at)).one()

    async def renew_once() -> None:
        renewing = asyncio.create_task(admission._renew(uploads.parts, lease))
        await asyncio.sleep(0)  # it waits for a third of that now
        monkeypatch.setattr(rows, "LEASE_S", 120)
        clock.pass_by(119)
        while expires_at() < clock.now + timedelta(seconds=120):  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.02)
        renewing.cancel()

    asyncio.run(asyncio.wait_for(renew_once(), 30))
    clock.pass_by(119)
    assert uploads.post(NAME, GOOD).status_code == 429


@pytest.mark.parametrize(
    ("content", "claims", "status"),
    [(GOOD, {}, 201), (b"no tarball", {}, 400), (GOOD, {"ref_protected": "false"}, 403)],
)
def test_an_upload_is_over_when_it_is_published_or_refused(
    make: Make, content: bytes, claims: dict[str, str], status: int
) -> None:
    uploads = make()
    assert uploads.post(NAME, content, **claims).status_code == status
    assert leases(uploads) == 0


def test_a_flood_of_bad_tokens_from_an_address_is_answered_429_and_costs_no_row(make: Make) -> None:
    one, other = (make(max_refusals_per_address_per_minute=3) for _ in range(2))
    answers = [(one, other)[number % 2].post(NAME, GOOD, token=BAD).status_code for number in range(5)]
    assert answers == [401, 401, 401, 429, 429]
    audited, counted = one.audited(), counts(one)
    assert [row["code"] for row in audited] == ["not_authenticated"] * 3
    for uploads in (one, other):
        answer = uploads.post(NAME, GOOD, token=BAD)
        assert code(answer, 429) == "too_many_requests"
        assert 35 <= int(answer.headers["retry-after"]) <= 40
    assert (one.audited(), counts(one)) == (audited, counted)


def counts(uploads: Uploads) -> list[tuple[str, int]]:
    with uploads.parts.service.transactions.begin() as session:
        return [(row.key, row.count) for row in session.scalars(select(RateCount).order_by(RateCount.key))]


def test_a_good_token_from_a_silenced_address_is_still_served(make: Make) -> None:
    uploads = make(max_refusals_per_address_per_minute=1)
    assert [uploads.post(NAME, GOOD, token=BAD).status_code for _ in range(3)] == [401, 429, 429]
    assert uploads.post(NAME, GOOD).status_code == 201


def test_for_a_silenced_address_gitlab_is_not_asked(make: Make, gitlab: StandInGitLab) -> None:
    uploads = make(max_refusals_per_address_per_minute=1)
    for _ in range(2):
        uploads.post(NAME, GOOD, token=BAD)
    asked = len(gitlab.api.asked)
    headers = {"JOB-TOKEN": gitlab.job_token("GNOME/gtk", "4.18.1")}
    answer = uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)
    assert (code(answer, 429), len(gitlab.api.asked)) == ("too_many_requests", asked)


def test_one_address_is_silenced_and_no_other(make: Make) -> None:
    near = make(max_refusals_per_address_per_minute=1)
    far = make(max_refusals_per_address_per_minute=1, address="2001:db8::1")
    neighbour = make(max_refusals_per_address_per_minute=1, address="2001:db8::2")
    assert [near.post(NAME, GOOD, token=BAD).status_code for _ in range(2)] == [401, 429]
    assert far.post(NAME, GOOD, token=BAD).status_code == 401
    assert neighbour.post(NAME, GOOD, token=BAD).status_code == 429  # of the same /64


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("\x1b[2J" * 40, "\\x1b[2J" * 8 + "\\x1b[..."[:5] + "..."),
    ],
)
def test_what_counts_as_one_address(address: str, counted: str) -> None:
    assert limits.network_of(address) == counted


def test_what_is_over_is_swept_away(make: Make, clock: Clock) -> None:
    uploads = make()
    check(uploads)
    clock.pass_by(86_400)
    check(uploads)
    clock.pass_by(3600)
    with uploads.parts.service.transactions.begin() as session:
        rows.sweep(session, clock())
    assert [count for _, count in counts(uploads)] == [1]


def upload_by(switch: str, uploads: Uploads) -> httpx2.Response:
    """Send a good tarball by the kind of proof that hangs on *switch*."""
    if switch != "job-tokens":
        return uploads.post(NAME, GOOD)
    headers = {"JOB-TOKEN": uploads.gitlab.job_token("GNOME/gtk", "4.18.1")}
    return uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)


def switched_off(answer: httpx2.Response, uploads: Uploads, reason: str) -> None:
    assert (code(answer, 503), answer.headers["retry-after"]) == ("switched_off", "600")
    assert reason in answer.text
    assert (uploads.stored(), uploads.staged(), uploads.audited()) == ([], [], [])
    assert {name: count for name, count in uploads.rows().items() if count} in ({}, {"switches": 1})


@pytest.mark.parametrize("name", [name for name in SWITCHES if name != "sso"])
def test_what_is_switched_off_leaves_nothing_until_it_is_on_again(make: Make, clock: Clock, name: str) -> None:
    one, other = make(), make()
    with one.parts.service.transactions.begin() as session:
        rows.switch_off(session, name, "the storage moves", clock())
    for uploads in (one, other):
        answer = upload_by(name, uploads)
        switched_off(answer, uploads, f"{name}: switched off at 2126-03-18 12:30 UTC: the storage moves")
    with one.parts.service.transactions.begin() as session:
        assert rows.switch_on(session, name)
    assert upload_by(name, other).status_code == 201
    assert [row["code"] for row in other.audited()] == ["claimed", "claimed", "published"]


@pytest.mark.parametrize("name", [name for name in SWITCHES if name != "sso"])
def test_what_the_settings_switch_off_is_off_here_alone(make: Make, name: str) -> None:
    one, other = make(switched_off=(name,)), make()
    switched_off(upload_by(name, one), one, f"{name}: switched off by the settings of this instance")
    assert upload_by(name, other).status_code == 201


@pytest.mark.parametrize("by", ["table", "settings"])
def test_persons_are_kept_out_where_the_sso_is_switched_off_and_jobs_are_not(
    make: Make, clock: Clock, sso: StandInSso, by: str
) -> None:
    settings = {"sso_issuer": sso.issuer}
    uploads = make(**settings, switched_off=("sso",) if by == "settings" else ())
    service = uploads.parts.service
    if by == "table":
        with service.transactions.begin() as session:
            rows.switch_off(session, "sso", "the SSO was broken into", clock())
    token = sso.token(groups=["release-team"])
    headers = {"Authorization": f"Bearer {token}"}
    answer = uploads.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers)
    switched_off(answer, uploads, "sso: switched off")
    assert uploads.post(NAME, GOOD).status_code == 201
    on = uploads if by == "table" else make(**settings)
    with service.transactions.begin() as session:
        rows.switch_on(session, "sso")
    assert on.http.put(f"/api/v1/tarballs/{NAME}", content=GOOD, headers=headers).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("is_trusted", [True, False])
def test_x_forwarded_for_is_believed_from_trusted_proxies_only(
    environment_of: Callable[[str], Environment], tmp_path: Path, *, is_trusted: bool
) -> None:
    """Whom it names is an address of its own, or the proxy is one address for all."""
    environment = environment_of("embedded") | {
        "RELEASE_SERVICE_MAX_REFUSALS_PER_ADDRESS_PER_MINUTE": "1",
        "RELEASE_SERVICE_TRUSTED_PROXIES": "127.0.0.1" if is_trusted else "192.0.2.1",
    }
    wait_for_a_young_minute()
    with components.service(environment, tmp_path / "log") as (base, _):
        answers = []
        for client in ("198.51.100.1", "198.51.100.2", "198.51.100.1", "6.6.6.6, 198.51.100.2"):
            headers = {"Authorization": f"Bearer {BAD}", "X-Forwarded-For": client}
            answers.append(httpx2.put(f"{base}/api/v1/tarballs/{NAME}", content=GOOD, headers=headers).status_code)
    assert answers == ([401, 401, 429, 429] if is_trusted else [401, 429, 429, 429])


def wait_for_a_young_minute() -> None:
    """Bad tokens are counted by the minute, and another one must not begin meanwhile."""
    components.wait_until(lambda: datetime.now(UTC).second < 40)


def test_a_refusal_by_a_limit_is_in_the_chain(make: Make) -> None:
    uploads = make(max_uploads_at_once_per_uploader=1)
    hold(uploads)
    uploads.post(NAME, GOOD)
    with uploads.parts.service.transactions.begin() as session:
        assert audit.pending(session) == 1
