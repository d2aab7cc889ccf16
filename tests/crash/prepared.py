"""Where every run begins: a migrated database with two modules and their maintainers, copied for each run."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crash import requests
from crash.database import Database
from crash.faults import DISK, Effect
from crash.ports import MailPort, OneByOne
from crash.process import Clock, Process
from crash.requests import SSO, person
from crash.store_model import sha256_of
from crash.world import World
from release_service import signing, signing_keys, worker
from release_service.db import modules, persons
from release_service.errors import OutOfSpace
from release_service.mail import send_due
from release_service.openpgp.verify import verify
from release_service.receive import private_file
from release_service.signing_keys import Asker
from signatures import forged

MAINTAINERS = {"gtk": ("bob", "alice"), "glib": ("dora",)}


@contextmanager
def make_world(directory: Path) -> Iterator[World]:
    """Build a world whose files live below *directory*, and let the real code's effects go through its ports."""
    clock = Clock()
    database = Database(directory / "database", clock.now)
    world = World(database, clock, directory / "staging")
    world.staging.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        _redirect(patch, world)
        with database.transactions.begin() as session:
            for module, logins in MAINTAINERS.items():
                made = modules.ensure(session, module, clock.now())
                for login in logins:
                    who = persons.see(session, SSO, f"sub-{login}", login, f"{login}@gnome.example", clock.now())
                    modules.add_maintainer(session, made, who, clock.now(), by_administrator=True)
        service, bob, alice = world.start().service, person("bob"), person("alice")
        signing_keys.add(service, Asker(bob, "request"), forged("bob").certificate())
        signing_keys.consent(service, Asker(alice, "request"), forged("bob").fingerprint.hex().upper())
        database.rows("DELETE FROM mails")
        yield world
    database.close()


def _redirect(patch: pytest.MonkeyPatch, world: World) -> None:
    """Let threads be tasks in order, mail go to the world, and the same signature be verified once."""
    for module in ("release_service.index.write", "release_service.beside"):
        patch.setattr(f"{module}.ThreadPoolExecutor", OneByOne)

    @contextmanager
    def connected(server: Process, _trust: object) -> Iterator[MailPort]:
        yield MailPort(server, world.deliver)

    def private(staging: Path) -> Any:
        process = world.processes[staging.name]
        return process.effect(
            Effect(DISK, "private file", writes=False), lambda: private_file(staging), OutOfSpace("The disk is full.")
        )

    patch.setattr("release_service.mail._connected", connected)
    patch.setattr("release_service.db.mails.uuid.uuid4", world.new_id)
    patch.setattr(worker, "send_due", partial(send_due, trust=object()))  # type: ignore[arg-type] # never used
    patch.setattr(requests, "private_file", private)
    patch.setattr(signing, "private_file", private)
    patch.setattr(signing, "verify_with", _remembered(verify))


def _remembered(judge: Callable[..., Any]) -> Callable[..., Any]:
    """Verify for real, each signature over each bytes once: it depends on nothing else."""
    known: dict[tuple[bytes, str], Any] = {}

    def remembered(found: Any, tarball: int, trusted: Any, window: Any) -> Any:
        content = Path(f"/proc/self/fd/{tarball}").read_bytes()
        key = found.packet, sha256_of(content)
        if key not in known:
            known[key] = judge(found, tarball, trusted, window)
        return known[key]

    return remembered


def settle_randomness() -> None:
    """Let back-off be the same in every run."""
    random.seed(0)
