"""Mail to maintainers, by a real mail server: promised in the commit that it tells of, and never lost."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from structlog.testing import capture_logs

from builders import a_tarball
from mail_servers import Mailbox, certified, mail_server
from release_service import wiring
from release_service.authorize.stewards import operator
from release_service.db import follow_ups, mails, persons
from release_service.db.tables import Mail, Release
from release_service.demo.gitlab import StandInGitLab
from release_service.mail import MailServer, send_due
from release_service.rights import Change, change
from release_service.rights.maintainers import AllowPerson, DenyPerson
from release_service.rights.names import MakeAlias, Register
from release_service.rights.publishers import AllowProject
from release_service.worker import Worker
from replicas import Clock, replica
from uploads import Environment, Uploads

pytestmark = pytest.mark.slow

KINDS = ("embedded", pytest.param("production", marks=pytest.mark.real))
SSO = "https://sso.example"
NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)
Make = Callable[..., Uploads]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def gnome(
    request: pytest.FixtureRequest,
    environment_of: Callable[[str], Environment],
    gitlab: StandInGitLab,
    clock: Clock,
    mailbox: Mailbox,
) -> Iterator[Uploads]:
    """gtk, maintained by mclasen and ebassi, and a mail server that takes all; embedded unless the test says."""
    environment = environment_of(getattr(request, "param", "embedded"))
    with mail_server(mailbox) as host, replica(environment, gitlab, clock, smtp_url=f"smtp://{host}") as uploads:
        register(uploads)
        yield uploads


both_kinds = pytest.mark.parametrize("gnome", KINDS, indirect=True)


def register(uploads: Uploads) -> None:
    """Before anybody has an address, so that nobody is written to."""
    project = AllowProject(uploads.gitlab.issuer, "1665", "8", "GNOME/gtk")
    do(uploads, Register(), project, AllowPerson(SSO, "1", "mclasen"), AllowPerson(SSO, "2", "ebassi"))
    with uploads.parts.service.transactions.begin() as session:
        for mail in session.scalars(select(Mail)):
            session.delete(mail)
    sign_in(uploads, "1", "mclasen")
    sign_in(uploads, "2", "ebassi")


def do(uploads: Uploads, *wanted: Change, module: str = "gtk") -> None:
    for one in wanted:
        change(uploads.parts.service, operator("root", module), one)


def sign_in(uploads: Uploads, subject: str, login: str, address: str | None = None) -> None:
    service = uploads.parts.service
    with service.transactions.begin() as session:
        persons.see(session, SSO, subject, login, address or f"{login}@gnome.example", service.now())


def send(uploads: Uploads) -> int:
    return send_due(uploads.parts.service, server_of(uploads))


def server_of(uploads: Uploads) -> MailServer:
    server = wiring.mail_server(uploads.parts.settings)
    assert server is not None
    return server


def waiting(uploads: Uploads) -> int:
    with uploads.parts.service.transactions.begin() as session:
        return len(session.scalars(select(Mail).where(Mail.sent_at.is_(None))).all())


@both_kinds
def test_nobody_is_told_of_a_release_before_readers_have_it(gnome: Uploads) -> None:
    assert gnome.post(NAME, GOOD).status_code == 201
    with gnome.parts.service.transactions.begin() as session:
        release = session.scalars(select(Release)).one()
        release.visible_at = None
    assert (send(gnome), waiting(gnome)) == (0, 2)
    with gnome.parts.service.transactions.begin() as session:
        follow_ups.visible(session, release.id, gnome.parts.service.now())
    assert (send(gnome), waiting(gnome)) == (2, 0)


@both_kinds
def test_a_release_is_told_to_its_maintainers_once(gnome: Uploads, mailbox: Mailbox) -> None:
    assert [gnome.post(NAME, GOOD).status_code for _ in range(2)] == [201, 200]
    assert (send(gnome), send(gnome), waiting(gnome)) == (2, 0, 0)
    assert [to for to, _ in mailbox.mails] == ["mclasen@gnome.example", "ebassi@gnome.example"]
    mail = mailbox.mails[0][1]
    assert mail["Subject"] == f"{NAME} was published"
    text = mail.get_content().replace("\r\n", "\n")
    assert "/sources/gtk/4.18/gtk-4.18.1.tar.xz\n  sha256 " in text
    assert "job 4711 of GNOME/gtk for 4.18.1" in text.replace("\n", " ")


def test_a_release_under_an_old_name_is_told_to_the_modules_maintainers(gnome: Uploads, mailbox: Mailbox) -> None:
    do(gnome, MakeAlias("gtk"), module="gtk+")
    send(gnome)
    old = "gtk+-3.24.52.tar.xz"
    assert gnome.post(old, a_tarball(old), project="GNOME/gtk").status_code == 201
    send(gnome)
    assert [mail["Subject"] for _, mail in mailbox.mails[-2:]] == [f"{old} was published"] * 2


def test_a_mail_says_when_it_was_promised_that_it_is_no_answer_and_which_one_it_is(
    gnome: Uploads, mailbox: Mailbox, clock: Clock
) -> None:
    gnome.post(NAME, GOOD)
    promised = clock.now
    clock.pass_by(5)
    send(gnome)
    (to, one), (_, other) = mailbox.mails
    assert parsedate_to_datetime(one["Date"]) == promised
    assert (one["Auto-Submitted"], one["To"]) == ("auto-generated", to)
    assert one["From"] == "GNOME Release Service <release-service@localhost>"
    assert re.fullmatch(r"<[0-9a-f]{32}@localhost>", one["Message-ID"])
    assert one["Message-ID"] != other["Message-ID"]


@pytest.mark.parametrize("answer", ["451 Requested action aborted", "421 Too busy", "550 No such mailbox", "552 Full"])
def test_a_mail_that_was_not_taken_is_sent_again_later_as_the_same_mail(
    gnome: Uploads, mailbox: Mailbox, clock: Clock, answer: str
) -> None:
    do(gnome, DenyPerson(SSO, "2"))
    send(gnome)
    mailbox.taken.clear()
    mailbox.seen_ids.clear()
    mailbox.answers = [answer]
    gnome.post(NAME, GOOD)
    assert (send(gnome), send(gnome), waiting(gnome)) == (0, 0, 1)
    clock.pass_by(11)
    assert (send(gnome), waiting(gnome)) == (1, 0)
    assert mailbox.seen_ids == [str(mailbox.mails[0][1]["Message-ID"])] * 2


def test_a_server_that_is_down_puts_mail_off_for_longer_each_time_and_loses_none(gnome: Uploads, clock: Clock) -> None:
    do(gnome, DenyPerson(SSO, "2"))
    send(gnome)
    gnome.post(NAME, GOOD)
    down = replace(server_of(gnome), port=9)
    waits = []
    for _ in range(12):
        assert send_due(gnome.parts.service, down) == 0
        with gnome.parts.service.transactions.begin() as session:
            due = min(mail.due_at for mail in session.scalars(select(Mail).where(Mail.sent_at.is_(None))))
        waits.append((due - clock.now).total_seconds())
        clock.now = due
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    assert (send(gnome), waiting(gnome)) == (1, 0)


def test_a_server_that_is_down_is_asked_once_a_round(gnome: Uploads) -> None:
    """A silent one costs its timeout each time, and other work waits."""
    gnome.post(NAME, GOOD)
    with gnome.parts.service.transactions.begin() as session:
        before = [mail.tries for mail in session.scalars(select(Mail))]
    send_due(gnome.parts.service, replace(server_of(gnome), port=9))
    with gnome.parts.service.transactions.begin() as session:
        after = [mail.tries for mail in session.scalars(select(Mail))]
    assert (sum(after) - sum(before), waiting(gnome)) == (1, 2)


def test_a_mail_that_is_never_taken_is_given_up_at_last(gnome: Uploads, clock: Clock) -> None:
    gnome.post(NAME, GOOD)
    down = replace(server_of(gnome), port=9)
    for _ in range(2 * mails.MOST_TRIES):
        send_due(gnome.parts.service, down)
        clock.pass_by(3600)
    assert (send(gnome), waiting(gnome)) == (0, 2)


@pytest.mark.parametrize("address", ["a\nBcc: b@gnome.example", "", "josé@gnome.example", "@", "a b"])
def test_an_address_that_is_none_holds_up_nobody_elses_mail(gnome: Uploads, mailbox: Mailbox, address: str) -> None:
    with gnome.parts.service.transactions.begin() as session:
        persons.see(session, SSO, "1", "mclasen", "", gnome.parts.service.now()).email = address
    gnome.post(NAME, GOOD)
    send(gnome)
    assert "ebassi@gnome.example" in [to for to, _ in mailbox.mails]
    assert not {"b@gnome.example", "mclasen@gnome.example"} & {to for to, _ in mailbox.mails}


def test_who_has_no_address_yet_is_told_nothing_also_not_later(gnome: Uploads) -> None:
    do(gnome, AllowPerson(SSO, "3", "matthiasc"))
    assert (send(gnome), waiting(gnome)) == (2, 0)
    sign_in(gnome, "3", "matthiasc")
    assert send(gnome) == 0


def test_mail_of_long_ago_is_swept_away(gnome: Uploads, clock: Clock) -> None:
    gnome.post(NAME, GOOD)
    clock.pass_by(31 * 24 * 3600)
    with gnome.parts.service.transactions.begin() as session:
        mails.sweep(session, clock())
    assert waiting(gnome) == 0


def test_a_change_of_rights_is_told_to_the_maintainers_before_and_after_it(gnome: Uploads, mailbox: Mailbox) -> None:
    sign_in(gnome, "3", "matthiasc")
    do(gnome, AllowPerson(SSO, "3", "matthiasc"))
    do(gnome, AllowPerson(SSO, "3", "matthiasc"))
    assert send(gnome) == 3
    do(gnome, DenyPerson(SSO, "3"))
    assert send(gnome) == 3
    told = [(to.partition("@")[0], mail["Subject"]) for to, mail in mailbox.mails]
    assert sorted(told[:3]) == [
        (login, "gtk: matthiasc (3) maintains it") for login in ("ebassi", "matthiasc", "mclasen")
    ]
    assert sorted(told[3:]) == [
        (login, "gtk: 3 no longer maintains it") for login in ("ebassi", "matthiasc", "mclasen")
    ]
    assert "Changed by root (shell, root)." in mailbox.mails[0][1].get_content()


@both_kinds
def test_a_strangers_attempt_is_told_once_an_hour(gnome: Uploads, mailbox: Mailbox, clock: Clock) -> None:
    for _ in range(3):
        assert gnome.post(NAME, GOOD, project="GNOME/glib", project_id="7").status_code == 403
    assert send(gnome) == 2
    text = mailbox.mails[0][1].get_content()
    assert mailbox.mails[0][1]["Subject"] == "gtk: an upload by a stranger was refused"
    assert "(not_authorized)" in text
    assert "GNOME/glib" in text
    clock.pass_by(3600)
    gnome.post(NAME, GOOD, project="GNOME/glib", project_id="7")
    assert send(gnome) == 2
    assert gnome.stored() == []


@pytest.mark.parametrize("claims", [{"ref_protected": "false"}, {"tag": "4.18.2"}])
def test_a_mistake_of_ones_own_project_is_no_strangers_attempt(gnome: Uploads, claims: dict[str, str]) -> None:
    assert gnome.post(NAME, GOOD, **claims).status_code == 403
    assert waiting(gnome) == 0


@pytest.mark.parametrize(
    ("filename", "token"), [(NAME, "a.b.c"), ("unknown-1.0.tar.xz", None), ("GTK-1.0.tar.xz", None)]
)
def test_what_is_no_attempt_on_a_maintained_module_is_told_nobody(
    gnome: Uploads, filename: str, token: str | None
) -> None:
    assert gnome.post(filename, GOOD, token=token, project="GNOME/glib").status_code >= 400
    assert waiting(gnome) == 0


def test_without_a_mail_server_nothing_is_promised(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, clock: Clock
) -> None:
    with replica(environment_of("embedded"), gitlab, clock) as uploads:
        register(uploads)
        assert uploads.post(NAME, GOOD).status_code == 201
        uploads.post("gtk-4.18.2.tar.xz", GOOD, project="GNOME/glib", project_id="7")
        assert (waiting(uploads), wiring.mail_server(uploads.parts.settings)) == (0, None)


def test_a_release_that_is_refused_promises_no_mail(gnome: Uploads) -> None:
    assert gnome.post(NAME, b"no tarball").status_code == 400
    assert waiting(gnome) == 0


def test_neither_address_nor_password_nor_token_reaches_the_log(
    gnome: Uploads, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    mailbox.answers = ["550 mclasen@gnome.example is unknown here"]
    with capture_logs() as logs:
        gnome.post(NAME, GOOD)
        gnome.post(NAME, GOOD, project="GNOME/glib", project_id="7")
        send(gnome)
    said = repr(logs) + repr(wiring.mail_server(gnome.parts.settings)) + "".join(capfd.readouterr())
    assert "mail_put_off" in said
    assert not re.search(r"eyJ|@gnome|mclasen@", said)


@contextmanager
def sending_by(gnome: Uploads, url: str) -> Iterator[Uploads]:
    settings = gnome.parts.settings.model_copy(update={"smtp_url": SecretStr(url)})
    yield replace(gnome, parts=replace(gnome.parts, settings=settings))


def test_mail_goes_to_other_hosts_by_starttls_with_a_certificate_that_is_checked(
    gnome: Uploads, clock: Clock, tmp_path: Path
) -> None:
    """127.0.0.2 is no loopback to the code, and one to the machine."""
    host, mailbox = "127.0.0.2", Mailbox()
    context, trust = certified(tmp_path, host)
    gnome.post(NAME, GOOD)
    options = {"tls_context": context, "require_starttls": True, "authenticator": mailbox.authenticate}
    with mail_server(mailbox, host, **options) as address, sending_by(gnome, f"smtp://me:p%40ss@{address}") as sending:
        assert send(sending) == 0  # nobody has told it of our CA
        assert mailbox.logins == []
        clock.pass_by(3600)
        assert send_due(gnome.parts.service, server_of(sending), trust) == 2
    assert mailbox.were_encrypted == [True, True]
    assert mailbox.logins == [b"me", b"p@ss"] * 2


def test_a_host_without_starttls_is_given_no_mail_and_no_password(gnome: Uploads) -> None:
    mailbox = Mailbox()
    gnome.post(NAME, GOOD)
    options = {"authenticator": mailbox.authenticate, "auth_require_tls": False}
    with mail_server(mailbox, "127.0.0.2", **options) as host, sending_by(gnome, f"smtp://me:p@{host}") as sending:
        assert send(sending) == 0
    assert (mailbox.seen_ids, mailbox.logins, waiting(gnome)) == ([], [], 2)


def test_smtps_is_encrypted_from_the_first_byte(gnome: Uploads, tmp_path: Path) -> None:
    context, trust = certified(tmp_path, "127.0.0.1")
    mailbox = Mailbox()
    gnome.post(NAME, GOOD)
    with mail_server(mailbox, ssl_context=context) as address, sending_by(gnome, f"smtps://{address}") as sending:
        assert send_due(gnome.parts.service, server_of(sending), trust) == 2


def test_on_loopback_mail_is_handed_in_as_it_is_though_starttls_is_offered(gnome: Uploads, tmp_path: Path) -> None:
    """Debian's Postfix offers it with a certificate that is nobody's."""
    context, _ = certified(tmp_path, "127.0.0.1")
    mailbox = Mailbox()
    gnome.post(NAME, GOOD)
    with mail_server(mailbox, tls_context=context) as address, sending_by(gnome, f"smtp://{address}") as sending:
        assert send(sending) == 2
    assert mailbox.were_encrypted == [False, False]


@both_kinds
def test_two_senders_at_once_send_each_mail_once(gnome: Uploads, mailbox: Mailbox) -> None:
    for number in range(1, 6):
        name = f"gtk-4.18.{number}.tar.xz"
        assert gnome.post(name, a_tarball(name)).status_code == 201
    ready = threading.Barrier(2)

    def sender(_: int) -> int:
        ready.wait()
        return send(gnome)

    with ThreadPoolExecutor(2) as together:
        assert sum(together.map(sender, range(2))) == 10
    assert len(set(mailbox.seen_ids)) == len(mailbox.seen_ids) == 10


def test_a_sender_that_died_with_a_mail_in_hand_leaves_it_to_others_two_minutes_later(
    gnome: Uploads, clock: Clock
) -> None:
    gnome.post(NAME, GOOD)
    with gnome.parts.service.transactions.begin() as session:
        assert mails.take_due(session, clock()) is not None
    assert (send(gnome), waiting(gnome)) == (1, 1)
    clock.pass_by(120)
    assert (send(gnome), waiting(gnome)) == (1, 0)


@both_kinds
def test_the_worker_links_the_audit_and_sends_what_is_due(gnome: Uploads, mailbox: Mailbox) -> None:
    gnome.post(NAME, GOOD)
    worker = Worker(gnome.parts.service, wiring.mail_server(gnome.parts.settings))
    thread = worker.start()
    for _ in range(100):
        thread.join(0.1)
        if len(mailbox.taken) == 2:
            break
    worker.stop()
    thread.join(10)
    assert (thread.is_alive(), waiting(gnome)) == (False, 0)
