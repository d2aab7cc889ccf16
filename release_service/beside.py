"""What stands beside a tarball is stored: each file once, and what is told of the release as its row says now."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from release_service import documents, paths
from release_service.db import Transactions, releases
from release_service.db.tables import Release
from release_service.store import ReleaseStore
from release_service.store.rewrite import rewrite
from release_service.tarball import TarballName


def store(to: ReleaseStore, transactions: Transactions, release: Release) -> None:
    """Store all but the signature, each step's files at once."""
    for files in documents.beside(release):
        with ThreadPoolExecutor(len(files) or 1) as together:
            list(together.map(partial(_store_one, to, transactions, release), files.keys(), files.values()))


def tell(to: ReleaseStore, transactions: Transactions, name: TarballName) -> bool:
    """Write release.json anew, if it is not what the row says now; return whether it was not.

    A signature may be published at this moment, so the row is read after the document.
    """

    def build(_before: bytes | None) -> bytes:
        with transactions.read() as session:
            return documents.release_json(releases.held(session, name))

    return rewrite(to, paths.release_json_key(name), build)


def _store_one(to: ReleaseStore, transactions: Transactions, release: Release, key: str, content: bytes) -> None:
    if paths.is_mutable(key):
        tell(to, transactions, releases.tarball_name(release))
    else:
        to.add(key, content)
