"""The audit's chain, on both databases: what is done with its rows is found."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from release_service import audit as chain
from release_service.db import Transactions, audit, connect, modules, releases
from release_service.db.audit import ACCEPTED, REFUSED, Act
from release_service.db.migrate import upgrade
from release_service.db.tables import AuditRow
from release_service.identity import Uploader
from release_service.tarball import TarballName

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.real))
NOON = datetime(2126, 3, 18, 12, tzinfo=UTC)
ALICE = Uploader("sso", "https://sso.example", "6f1c", "alice", "jti", {"login": "alice"})
RELEASED = TarballName.parse("gtk-4.18.1.tar.xz")
DIGEST = "a" * 64


@dataclass(frozen=True, slots=True)
class Audit:
    """A database with a chain of six rows; `tamper` is what somebody does who holds the database itself."""

    url: str
    transactions: Transactions

    def act(self, number: int, verdict: str = ACCEPTED, code: str = "published", **detail: Any) -> None:
        with self.transactions.begin() as session:
            act = Act("upload", ALICE, f"request{number}", "gtk", f"4.18.{number}", DIGEST)
            audit.record(session, act, verdict, code, NOON + timedelta(microseconds=number), **detail)

    def tamper(self, *statements: str) -> None:
        if self.url.startswith("sqlite"):
            with sqlite3.connect(self.url.removeprefix("sqlite:///")) as file:
                for statement in statements:
                    file.execute(statement)
            file.close()
            return
        with psycopg.connect(self.url.replace("+psycopg", "")) as server:
            server.execute("SET session_replication_role = replica")  # foreign keys are not looked at
            for statement in statements:
                server.execute(statement.encode())

    def findings(self, noted: str = "") -> list[str]:
        return chain.verify(self.transactions, noted).findings

    def exported(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in chain.export(self.transactions)]


@pytest.fixture(scope="module")
def url_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the URL of the migrated database of a kind, of which each test has a copy."""
    made: dict[str, str] = {}

    def template(kind: str) -> str:
        if kind in made:
            return made[kind]
        made[kind] = f"sqlite:///{tmp_path_factory.mktemp('template')}/db"
        if kind == "postgresql":
            server = request.getfixturevalue("postgresql").rpartition("/")[0]
            with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("CREATE DATABASE audit_template")
            made[kind] = f"{server}/audit_template"
        engine = connect(made[kind])
        upgrade(engine)
        filled(Audit(made[kind], Transactions(engine)))
        engine.dispose()
        return made[kind]

    return template


def filled(made: Audit) -> None:
    """Six acts, the first of them a release; the last four are one batch of links."""
    with made.transactions.begin() as session:
        module = modules.ensure(session, "gtk", NOON)
        release = releases.claim(
            session, module, RELEASED, size=5, sha256=DIGEST, archive={}, proof={}, files={}, texts={}, now=NOON
        )
        releases.publish(session, release, NOON)
    made.act(1, size=5)
    made.act(2, REFUSED, "version_taken", reason="zu spät, \x1b[31m")
    chain.link(made.transactions)
    for number in (3, 4, 5, 6):
        made.act(number, zebra=1, ape=["x", {"b": 2, "a": None}])
    chain.link(made.transactions)


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, url_of: Callable[[str], str], tmp_path: Path) -> Iterator[Audit]:
    template = url_of(request.param)
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(template.removeprefix('sqlite:///'), tmp_path / 'db')}"
    else:
        server, name = template.rpartition("/")[0], f"c{abs(hash(request.node.nodeid))}"
        with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE audit_template")
        url = f"{server}/{name}"
    engine = connect(url)
    yield Audit(url, Transactions(engine))
    engine.dispose()


def test_an_untouched_chain_has_no_findings_and_holds_each_head_that_was_noted(made: Audit) -> None:
    verdict = chain.verify(made.transactions)
    assert (verdict.findings, verdict.rows, verdict.pending) == ([], 6, 0)
    heads = [f"{row['seq']}:{row['link']}" for row in made.exported()]
    assert verdict.head == heads[-1]
    assert [made.findings(head) for head in [f"0:{'0' * 64}", *heads]] == [[]] * 7


def test_rows_of_accepted_and_refused_acts_are_chained_in_the_order_of_their_commits(made: Audit) -> None:
    rows = made.exported()
    assert [(row["seq"], row["version"], row["verdict"]) for row in rows] == [
        (number, f"4.18.{number}", REFUSED if number == 2 else ACCEPTED) for number in range(1, 7)
    ]
    assert (rows[1]["code"], rows[1]["login"], rows[1]["proof"]) == ("version_taken", "alice", "sso")


def test_an_act_that_is_rolled_back_leaves_no_row_and_no_finding(made: Audit) -> None:
    def fail() -> None:
        with made.transactions.begin() as session:
            audit.record(session, Act("upload", None, "r"), ACCEPTED, "published", NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    made.act(7)
    assert (chain.link(made.transactions), made.findings()) == (1, [])


def test_a_row_that_is_not_linked_yet_is_counted_and_no_finding(made: Audit) -> None:
    made.act(7)
    verdict = chain.verify(made.transactions)
    assert (verdict.findings, verdict.rows, verdict.pending) == ([], 6, 1)
    assert made.exported()[-1]["seq"] is None
    assert (chain.link(made.transactions), chain.link(made.transactions)) == (1, 0)
    assert made.exported()[-1]["seq"] == 7


def test_all_rows_of_writers_at_once_are_linked_by_linkers_at_once_without_gap_or_twin(made: Audit) -> None:
    def write(writer: int) -> int:
        for number in range(10):
            made.act(100 + 10 * writer + number)
            if number % 3 == 0:
                chain.link(made.transactions)
        return chain.link(made.transactions)

    with ThreadPoolExecutor(6) as together:
        list(together.map(write, range(6)))
    rows = made.exported()
    assert sorted(row["seq"] for row in rows) == list(range(1, 67))
    assert len({row["version"] for row in rows}) == 66
    assert made.findings() == []


def test_more_rows_than_one_batch_are_linked_by_one_call(made: Audit) -> None:
    with made.transactions.begin() as session:
        for number in range(1100):
            audit.record(session, Act("check", None, str(number)), REFUSED, "not_authenticated", NOON)
    assert (chain.link(made.transactions), made.findings()) == (1100, [])


def test_the_export_is_json_lines_whose_hashes_anybody_can_compute_again(made: Audit) -> None:
    previous = 64 * "0"
    for line in chain.export(made.transactions):
        assert line.isascii()
        row = json.loads(line)
        link = row.pop("link")
        del row["seq"]
        previous = hashlib.sha256(f"{previous}\n{json.dumps(row, sort_keys=True)}".encode()).hexdigest()
        assert link == previous


def test_text_of_others_is_written_down_as_printable_ascii(made: Audit) -> None:
    stranger = Uploader("sso", "https://sso.example", "1", "a\x1b[2Jlïce", "", {})
    with made.transactions.begin() as session:
        act = Act("upload", stranger, "r", "x" * 300, "é\n")
        audit.record(session, act, REFUSED, "not_authorized", NOON, reason="ü" * 9000, né="\0")
    row = made.exported()[-1]
    assert (row["login"], row["version"], len(row["module"])) == ("a\\x1b[2Jl\\xefce", "\\xe9\\n", 100)
    assert (len(row["detail"]["reason"]), row["detail"]["né"]) == (2000, "\\x00")
    chain.link(made.transactions)
    assert made.findings() == []


EDITS = {
    "at": "'2126-03-18 12:00:00.000009+00:00'",
    "detail": """'{"size": 6}'""",
    "sha256": f"'{'b' * 64}'",
}


@pytest.mark.parametrize("column", [column.name for column in AuditRow.__table__.columns if column.name != "id"])
def test_an_edit_of_any_column_is_found(made: Audit, column: str) -> None:
    value = EDITS.get(column, "'other'")
    made.tamper(f"UPDATE audit SET {column} = {value} WHERE id = 3")  # noqa: S608 - our own
    assert made.findings() == ["row 3 (link 3) is not what was linked: edited or exchanged"]


def test_another_id_is_found(made: Audit) -> None:
    made.tamper("UPDATE audit SET id = 99 WHERE id = 3")
    assert made.findings() == ["row 3 (link 3) was removed", "row 99 is not in the chain: it was slipped in"]


SWAPPED = ", ".join(
    f"{column.name} = (SELECT {column.name} FROM other WHERE other.id = 6 - audit.id)"  # noqa: S608 - our own
    for column in AuditRow.__table__.columns
    if column.name != "id"
)
LINKS = "audit_id = (SELECT audit_id FROM other WHERE other.seq = 6 - audit_chain.seq)"
HASHES = "sha256 = (SELECT sha256 FROM other WHERE other.seq = 6 - audit_chain.seq)"
COPY = "CREATE TEMPORARY TABLE other AS SELECT * FROM "
CUT = ("DELETE FROM audit WHERE id > 4", "DELETE FROM audit_chain WHERE seq > 4")
SET_BACK = "UPDATE audit_head SET seq = 4, sha256 = (SELECT sha256 FROM audit_chain WHERE seq = 4)"
COLUMNS = ", ".join(column.name for column in AuditRow.__table__.columns if column.name != "id")
EDITED = "row {0} (link {0}) is not what was linked: edited or exchanged"
TAMPERED: dict[str, tuple[list[str], list[str]]] = {
    "a removed row": (["DELETE FROM audit WHERE id = 3"], ["row 3 (link 3) was removed"]),
    "a removed row and its link": (
        ["DELETE FROM audit WHERE id = 3", "DELETE FROM audit_chain WHERE seq = 3"],
        ["the links 3 to 3 were removed", EDITED.format(4)],
    ),
    "a removed row, and later links moved up": (
        [
            "DELETE FROM audit WHERE id = 5",
            "DELETE FROM audit_chain WHERE seq = 5",
            "UPDATE audit_chain SET seq = 5 WHERE seq = 6",
            "UPDATE audit_head SET seq = 5",
        ],
        ["row 6 (link 5) is not what was linked: edited or exchanged"],
    ),
    "exchanged rows": (
        [f"{COPY} audit", f"UPDATE audit SET {SWAPPED} WHERE id IN (2, 4)"],  # noqa: S608 - our own
        [EDITED.format(2), EDITED.format(4)],
    ),
    "exchanged places": (
        [
            f"{COPY} audit_chain",
            "UPDATE audit_chain SET audit_id = -audit_id WHERE seq IN (2, 4)",
            f"UPDATE audit_chain SET {LINKS} WHERE seq IN (2, 4)",  # noqa: S608 - our own
        ],
        [f"row {row} (link {6 - row}) is not what was linked: edited or exchanged" for row in (4, 2)],
    ),
    "exchanged hashes": (
        [f"{COPY} audit_chain", f"UPDATE audit_chain SET {HASHES} WHERE seq IN (2, 4)"],  # noqa: S608 - our own
        [EDITED.format(number) for number in (2, 3, 4, 5)],
    ),
    "a last row cut off": (["DELETE FROM audit WHERE id = 6"], ["row 6 (link 6) was removed"]),
    "last rows and links cut off": ([*CUT], ["the chain ends at link 4, and should at 6: it was cut off"]),
    "the head set back alone": (
        [SET_BACK],
        ["link 5 lies beyond the head: the head was set back", "link 6 lies beyond the head: the head was set back"],
    ),
    "a slipped-in row": (
        [f"INSERT INTO audit (id, {COLUMNS}) SELECT 50, {COLUMNS} FROM audit WHERE id = 2"],  # noqa: S608 - our own
        ["row 50 is not in the chain: it was slipped in"],
    ),
    "a head of another hash": (
        [f"UPDATE audit_head SET sha256 = '{DIGEST}'"],  # noqa: S608 - our own
        ["the chain ends at link 6, and should at 6: it was cut off"],
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_found(made: Audit, case: str) -> None:
    statements, findings = TAMPERED[case]
    made.tamper(*statements)
    assert made.findings() == findings


def test_only_a_noted_head_finds_a_chain_whose_end_was_cut_off_with_its_head(made: Audit) -> None:
    noted = chain.verify(made.transactions).head
    made.tamper(*CUT, SET_BACK)
    assert made.findings() == []
    assert made.findings(noted) == [
        f"the head that you noted, {noted}, is not in the chain: it was made anew, or cut off"
    ]


def test_only_a_noted_head_finds_a_chain_that_was_made_anew(made: Audit) -> None:
    noted = chain.verify(made.transactions).head
    made.tamper(
        "UPDATE audit SET login = 'mallory' WHERE id = 2",
        "DELETE FROM audit_chain",
        f"UPDATE audit_head SET seq = 0, sha256 = '{audit.BEGINNING}'",  # noqa: S608 - our own
        "INSERT INTO audit_pending SELECT id FROM audit",
    )
    chain.link(made.transactions)
    assert made.findings() == []
    assert len(made.findings(noted)) == 1


def test_a_row_removed_before_it_was_linked_is_found(made: Audit) -> None:
    made.act(7)
    made.tamper("DELETE FROM audit WHERE id = 7")
    assert made.findings() == ["row 7 was removed before it was linked"]


@pytest.mark.parametrize("column", ["version", "sha256", "verdict"])
def test_a_published_release_without_a_row_of_its_own_is_found(made: Audit, column: str) -> None:
    made.tamper(f"UPDATE audit SET {column} = 'other' WHERE id = 1")  # noqa: S608 - our own
    assert made.findings() == [EDITED.format(1), "no row tells of the release gtk 4.18.1"]


def test_a_release_from_before_the_audit_began_needs_no_row(made: Audit) -> None:
    made.tamper("UPDATE audit SET version = 'other' WHERE id = 1", "UPDATE releases SET published_at = '2001-01-01'")
    assert made.findings() == [EDITED.format(1)]


def test_verifying_while_others_write_and_link_finds_nothing(made: Audit) -> None:
    def write() -> None:
        for number in range(40):
            made.act(100 + number)
            chain.link(made.transactions)

    with ThreadPoolExecutor(1) as aside:
        writing = aside.submit(write)
        while not writing.done():
            assert made.findings() == []
        writing.result()
