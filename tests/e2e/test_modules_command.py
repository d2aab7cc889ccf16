"""`release-service modules`, `switch` and `audit`, as an administrator types and reads them."""

import json
import os
import pwd
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import forked
from release_service.db import Transactions, connect, persons
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment

# Root says whom it stands for; of others the system knows the name itself.
WHO = "kim (sudo)" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name

pytestmark = pytest.mark.slow

SSO = "https://sso.example/realms/GNOME"
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def run(environment_of: Callable[[str], Environment], tmp_path: Path) -> Run:
    """Return what types `release-service ...` on one SQLite, as somebody whom sudo let in."""
    names = {"SESSION_SECRET": "s" * 32, "SSO_ISSUER": SSO}
    environment = environment_of("embedded") | {f"RELEASE_SERVICE_{name}": value for name, value in names.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELEASE_")}

    def type_(*words: str | Path, **changes: str) -> Done:
        return forked.run(*words, environment=kept | environment | {"SUDO_USER": "kim"} | changes, home=tmp_path)

    return type_


def said(done: Done, *lines: str) -> None:
    """Hold what a command has printed against *lines*; nothing was complained about."""
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == list(lines)


def refused(done: Done, status: int, *parts: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def sign_in(home: Path, subject: str, login: str) -> None:
    engine = connect(f"sqlite:///{home}/db")
    with Transactions(engine).begin() as session:
        persons.see(session, SSO, subject, login, "", datetime.now(UTC))
    engine.dispose()


PROJECT = ("--project", "GNOME/gtk", "--project-id", "1665", "--namespace-id", "8")
MAY = "gtk: The project GNOME/gtk (id 1665, namespace 8) may publish it"


def test_a_module_is_added_with_project_and_old_name_once(run: Run) -> None:
    add = ("modules", "add", "gtk", *PROJECT, "--alias", "gtk+")
    said(run(*add), "gtk: The module is registered.", f"{MAY}.", "gtk+: It is an alias of gtk.")
    said(
        run(*add),
        "gtk: The module is registered (as before).",
        f"{MAY} (as before).",
        "gtk+: It is an alias of gtk (as before).",
    )
    said(run("modules", "list"), "gtk\tGNOME/gtk (1665)\t-\t-", "gtk+\tGNOME/gtk (1665)\t-\talias of gtk")


def test_gitlab_is_asked_for_the_ids_of_a_project_that_is_named_by_its_path(run: Run, gitlab: StandInGitLab) -> None:
    gitlab.job_token("GNOME/gtk", "4.18.1")  # now GitLab knows the project
    asked = "GitLab says: GNOME/gtk has the id 1665, in namespace 8."
    said(run("modules", "add", "gtk", "--project", "GNOME/gtk"), asked, "gtk: The module is registered.", f"{MAY}.")
    said(
        run("modules", "allow", "gtk", "--project-id", "1665", "--environment", "release"),
        asked,
        f"{MAY}, from the environment release.",
    )


def test_a_project_that_gitlab_does_not_show_registers_nothing(run: Run) -> None:
    refused(run("modules", "add", "x", "--project", "GNOME/nothing"), 3, "GitLab shows no project GNOME/nothing")
    refused(
        run("modules", "add", "x", "--project", "GNOME/x", RELEASE_SERVICE_GITLAB_API_URL="http://127.0.0.1:9/api/v4"),
        4,
        "does not answer",
    )
    said(run("modules", "list"))


def test_half_an_identity_is_wrong_usage(run: Run) -> None:
    refused(run("modules", "add", "x", "--project", "GNOME/x", "--project-id", "5"), 2, "go together")
    refused(run("modules", "deny", "*", "--reason", "because"), 2, "goes together with --project-id")
    refused(run("modules", "add", "-x-/"), 2)
    refused(run("modules", "add", "con"), 3, "(bad_tarball_name)")
    refused(run("modules", "allow", "nothing", "--subject", "1"), 3, "There is no module nothing.")


def test_a_denied_project_is_out_until_it_is_allowed(run: Run) -> None:
    run("modules", "add", "gtk", *PROJECT)
    denied = run("modules", "deny", "gtk", "--project-id", "1665", "--reason", "it was broken into")
    said(denied, "gtk: The project with the id 1665 may no longer publish it: it was broken into.")
    said(run("modules", "list"), "gtk\t-\t-\tblocked: project:1665")
    assert run("modules", "allow", "gtk", *PROJECT).stdout.startswith(f"{MAY}.\n")
    said(run("modules", "list"), "gtk\tGNOME/gtk (1665)\t-\t-")


def test_a_person_is_named_by_a_login_that_one_person_has_signed_in_with_or_by_the_subject(
    run: Run, tmp_path: Path
) -> None:
    run("modules", "add", "gtk")
    refused(run("modules", "allow", "gtk", "--person", "mclasen"), 3, "Nobody has signed in as mclasen.", "subject")
    sign_in(tmp_path, "id-1", "mclasen")
    said(run("modules", "allow", "gtk", "--person", "mclasen"), "gtk: mclasen (id-1) maintains it.")
    said(run("modules", "allow", "gtk", "--subject", "id-9"), "gtk: id-9 (id-9) maintains it.")
    said(run("modules", "list"), "gtk\t-\tmclasen, id-9\t-")
    sign_in(tmp_path, "id-2", "mclasen")
    refused(run("modules", "allow", "gtk", "--person", "mclasen"), 3, "2 persons have signed in as mclasen.")
    denied = run("modules", "deny", "gtk", "--subject", "id-1", "--reason", "left GNOME")
    said(denied, "gtk: id-1 no longer maintains it.", "gtk: id-1 is blocked from publishing: left GNOME.")
    said(run("modules", "list"), "gtk\t-\tid-9\tblocked: id-1")


def test_without_an_sso_nobody_can_be_named(run: Run) -> None:
    run("modules", "add", "gtk")
    done = run("modules", "allow", "gtk", "--subject", "x", RELEASE_SERVICE_SSO_ISSUER="")
    assert done.returncode != 0
    assert "maintains it" not in done.stdout


def test_a_block_is_listed_until_it_is_lifted(run: Run) -> None:
    run("modules", "add", "gtk")
    said(
        run("modules", "deny", "gtk", "--reason", "moved to World"),
        "gtk: Everybody is blocked from publishing: moved to World.",
    )
    run("modules", "deny", "*", "--subject", "id-6", "--reason", "mallory")
    said(run("modules", "list"), "gtk\t-\t-\tblocked: everybody", "*\t-\t-\tblocked: id-6")
    said(run("modules", "allow", "gtk"), "gtk: Everybody is no longer blocked from publishing.")
    said(run("modules", "allow", "*", "--subject", "id-6"), "*: id-6 is no longer blocked from publishing.")
    said(run("modules", "list"), "gtk\t-\t-\t-")


def test_tags_and_signatures_are_set_and_taken_back(run: Run) -> None:
    run("modules", "add", "gtk")
    set_ = run("modules", "set", "gtk", "--tag-pattern", "r-{version}  GTK_{version_}", "--signatures", "required")
    said(set_, "gtk: Its tags are r-{version} GTK_{version_}.", "gtk: Its signature policy is required.")
    said(run("modules", "list"), "gtk\t-\t-\ttags r-{version} GTK_{version_}; signatures required")
    back = run("modules", "set", "gtk", "--tag-pattern", "", "--signatures", "")
    said(back, "gtk: Its tags are the usual ones.", "gtk: Its signature policy is that of the instance.")
    refused(run("modules", "set", "gtk", "--tag-pattern", "release"), 3, "holds exactly one of {version}")


DOAP = """<Project xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://usefulinc.com/ns/doap#"
 xmlns:foaf="http://xmlns.com/foaf/0.1/" xmlns:gnome="http://api.gnome.org/doap-extensions#">
<download-page rdf:resource="https://download.gnome.org/sources/{module}/"/>{maintainers}</Project>"""
MAINTAINER = "<maintainer><foaf:Person><gnome:userid>{}</gnome:userid></foaf:Person></maintainer>"


@pytest.fixture
def doap(tmp_path: Path) -> Path:
    (tmp_path / "doap" / "more").mkdir(parents=True)
    for path, module, userids in (
        ("gtk.doap", "gtk+", ["mclasen", "ebassi"]),
        ("more/glib.doap", "glib", ["mclasen"]),
        ("reserved.doap", "con", ["mclasen"]),
    ):
        maintainers = "".join(map(MAINTAINER.format, userids))
        (tmp_path / "doap" / path).write_text(DOAP.format(module=module, maintainers=maintainers))
    (tmp_path / "doap" / "broken.doap").write_text("<Project")
    (tmp_path / "doap" / "directory.doap").mkdir()
    return tmp_path / "doap"


COMPLAINTS = [
    "broken.doap: not read: The file is no XML that is read here (ParseError).",
    "reserved.doap: names no download-page below /sources/: skipped",
]


def test_doap_files_are_imported_with_the_maintainers_whom_the_sso_knows(run: Run, doap: Path, tmp_path: Path) -> None:
    users = [{"id": "id-1", "username": "mclasen"}, {"id": "id-2", "username": "ebassi", "enabled": True}]
    (tmp_path / "users.json").write_text(json.dumps(users))
    imported = ("modules", "import-doap", doap, "--subjects", tmp_path / "users.json")
    first = run(*imported)
    assert (first.returncode, first.stderr.splitlines()) == (0, COMPLAINTS)
    lines = [
        "gtk+: The module is registered",
        "gtk+: mclasen (id-1) maintains it",
        "gtk+: ebassi (id-2) maintains it",
        "glib: The module is registered",
        "glib: mclasen (id-1) maintains it",
    ]
    assert first.stdout.splitlines() == [f"{line}." for line in lines]
    listed = run("modules", "list").stdout
    exported = run("audit", "export").stdout
    assert listed.splitlines() == ["glib\t-\tmclasen\t-", "gtk+\t-\tmclasen, ebassi\t-"]
    assert run(*imported).stdout.splitlines() == [f"{line} (as before)." for line in lines]
    assert (run("modules", "list").stdout, run("audit", "export").stdout) == (listed, exported)


def test_without_the_ssos_subjects_those_who_have_signed_in_are_found_and_the_others_named(
    run: Run, doap: Path, tmp_path: Path
) -> None:
    said(run("modules", "list"))
    sign_in(tmp_path, "id-1", "mclasen")
    done = run("modules", "import-doap", doap)
    assert [line for line in done.stderr.splitlines() if line not in COMPLAINTS] == [
        "gtk+: Nobody has signed in as ebassi."
    ]
    assert run("modules", "list").stdout.splitlines() == ["glib\t-\tmclasen\t-", "gtk+\t-\tmclasen\t-"]


@pytest.mark.parametrize("text", ["{}x", '[{"id": 5, "username": "mclasen"}]'])
def test_a_file_of_subjects_that_is_none_imports_nothing(run: Run, doap: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "users.json").write_text(text)
    done = run("modules", "import-doap", doap, "--subjects", tmp_path / "users.json")
    refused(done, 3, "The file of subjects is no JSON list")
    said(run("modules", "list"))


def test_switches_are_listed_with_since_when_and_why(run: Run) -> None:
    names = ("uploads", "sso", "gitlab-id-tokens", "job-tokens")
    said(run("switch", "list"), *(f"{name}\ton\t-" for name in names))
    said(run("switch", "off", "sso", "--reason", "it was broken into"), "sso is off: it was broken into")
    listed = run("switch", "list", RELEASE_SERVICE_SWITCHED_OFF="job-tokens").stdout.splitlines()
    assert listed[0] == "uploads\ton\t-"
    name, is_on, since = listed[1].split("\t")
    assert (name, is_on) == ("sso", "off")
    assert re.fullmatch(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC: it was broken into", since)
    assert listed[3] == "job-tokens\toff\tby RELEASE_SERVICE_SWITCHED_OFF"
    said(run("switch", "on", "sso"), "sso is on")
    still = run("switch", "on", "sso", RELEASE_SERVICE_SWITCHED_OFF="sso")
    said(still, "sso is still off by RELEASE_SERVICE_SWITCHED_OFF")
    refused(run("switch", "off", "everything", "--reason", "x"), 2, "uploads")
    for reason in ("", "two\nlines", "x" * 1001):
        refused(run("switch", "off", "sso", "--reason", reason), 3, "A reason is printable text")


def test_the_audit_tells_who_typed_and_is_verified(run: Run) -> None:
    run("modules", "add", "gtk", *PROJECT)
    run("switch", "off", "sso", "--reason", "because")
    run("switch", "on", "sso")
    run("switch", "on", "sso")
    verified = run("audit", "verify")
    assert verified.returncode == 0
    counted, head = verified.stdout.splitlines()
    assert counted == "4 rows in the chain, 0 waiting for it, 0 findings"
    rows = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert [(row["seq"], row["act"], row["proof"], row["login"]) for row in rows] == [
        (1, "module-add", "shell", WHO),
        (2, "publisher-allow", "shell", WHO),
        (3, "switch-off", "shell", WHO),
        (4, "switch-on", "shell", WHO),
    ]
    assert head == f"head 4:{rows[-1]['link']}"
    said(run("audit", "verify", "--head", head.removeprefix("head ")), counted, head)
    other = run("audit", "verify", "--head", f"4:{'0' * 64}")
    assert (other.returncode, other.stdout.splitlines()[1]) == (1, head)
    assert "is not in the chain: it was made anew, or cut off" in other.stderr


def test_a_chain_that_was_tampered_with_is_told_line_by_line(run: Run, tmp_path: Path) -> None:
    for number in range(2):
        run("modules", "add", f"module{number}")
    run("audit", "verify")
    engine = connect(f"sqlite:///{tmp_path}/db")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET login = 'mallory' WHERE id = 2")
    engine.dispose()
    verified = run("audit", "verify")
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (
        1,
        "2 rows in the chain, 0 waiting for it, 1 finding",
    )
    assert verified.stderr.splitlines() == ["row 2 (link 2) is not what was linked: edited or exchanged"]
