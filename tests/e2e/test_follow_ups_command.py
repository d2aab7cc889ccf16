"""`release-service follow-ups`: what has failed is shown to a person, and tried again when they say so."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

import forked
from builders import a_tarball
from conftest import KINDS
from release_service.db.tables import FollowUp
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, Uploads, make_uploads

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"
NOBODY_TRIES = "\x1b[31mboth\nlines"


@pytest.fixture(params=KINDS)
def environment(request: pytest.FixtureRequest, environment_of: Callable[[str], Environment]) -> Environment:
    return environment_of(request.param)


@pytest.fixture
def uploads(environment: Environment, gitlab: StandInGitLab) -> Iterator[Uploads]:
    with make_uploads(environment, gitlab) as made:
        assert made.post(NAME, a_tarball(NAME)).status_code == 201
        yield made


def type_(environment: Environment, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    done = forked.run("follow-ups", *words, environment=os.environ | environment, home=home)
    assert "Traceback" not in done.stderr
    return done


def give_up(uploads: Uploads, kind: str) -> int:
    service = uploads.parts.service
    with service.transactions.begin() as session:
        row = FollowUp.kind == kind
        trouble = {"kept_at": None, "tries": 12, "trouble": NOBODY_TRIES, "gave_up_at": service.now()}
        session.execute(update(FollowUp).where(row).values(**trouble))
        return session.scalars(select(FollowUp.id).where(row)).one()


def test_what_waits_for_a_person_is_named_and_tried_again(
    environment: Environment, uploads: Uploads, tmp_path: Path
) -> None:
    done = type_(environment, tmp_path, "list")
    assert (done.returncode, done.stdout) == (0, "Every promise is kept, or on its way.\n")
    number = give_up(uploads, "index")
    done = type_(environment, tmp_path, "list")
    assert done.returncode == 1
    assert done.stdout == f"{number}\tindex\t{NAME}\t12 tries, GIVEN UP\t\\x1b[31mboth\\nlines\n"
    told = json.loads(type_(environment, tmp_path, "list", "--json").stdout)
    assert (told["id"], told["kind"], told["release"], told["given_up"] is None) == (number, "index", NAME, False)
    done = type_(environment, tmp_path, "retry", str(number))
    assert (done.returncode, done.stdout) == (0, "1 promise is tried again by the next worker.\n")
    assert uploads.audited()[-1]["detail"] == {"ids": [number], "count": 1}
    done = type_(environment, tmp_path, "list")
    assert (done.returncode, "next try" in done.stdout) == (0, True)


def test_what_is_kept_is_not_tried_again(environment: Environment, uploads: Uploads, tmp_path: Path) -> None:
    done = type_(environment, tmp_path, "retry", "1")
    assert (done.returncode, done.stdout) == (1, "0 promises are tried again by the next worker.\n")
    for words in ((), ("0",), (f"{2**63}",), ("1", "--all")):
        assert type_(environment, tmp_path, "retry", *words).returncode == 2
    give_up(uploads, "archive-index")
    done = type_(environment, tmp_path, "retry", "--all")
    assert (done.returncode, done.stdout) == (0, "1 promise is tried again by the next worker.\n")
