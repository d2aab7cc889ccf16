"""Rows that are made again from what the bucket tells.  Queries take a session and never commit."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from release_service.db import modules, releases
from release_service.db.tables import ClaimedDigest, Module, Release, ReleaseSignature


def is_empty(session: Session) -> bool:
    """Say whether no module was ever registered, and nothing claimed."""
    anything = (select(table).limit(1) for table in (Module, Release, ClaimedDigest))
    return all(session.scalar(rows) is None for rows in anything)


def insert(session: Session, row: Release, texts: Mapping[str, bytes]) -> None:
    """Write *row* with its files and signature, its *texts*, and its module, which nobody may publish yet.

    (Raises: CaseTwin, DigestKnown, VersionTaken.)
    """
    name = releases.tarball_name(row)
    there = releases.find(session, name)
    if there is not None:
        releases.refuse_other_bytes(there, name, row.sha256)
    if not releases.is_imported(row):
        releases.refuse_second_name(session, name, row.sha256)
    row.module = modules.ensure(session, name.module, row.claimed_at)
    for file in row.imported:
        file.module_id = row.module.id
    session.add(row)
    session.flush()
    releases.add_texts(session, row, texts)
    session.merge(ClaimedDigest(sha256=row.sha256))


def sign(session: Session, release: Release, signature: ReleaseSignature) -> None:
    """Write the *signature* of a release that has none."""
    signature.release_id = release.id
    session.add(signature)
