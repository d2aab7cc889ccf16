"""The files of a quarantined release are taken out of the store; what it was, its release.json goes on telling."""

from release_service import documents, paths
from release_service.db.releases import tarball_name
from release_service.db.tables import Release
from release_service.store import ReleaseStore


def files(release: Release) -> list[str]:
    """Return the keys of all files that it may have but release.json: first the checksum file, last the tarball.

    So that no checksum file is readable that lists what is gone (invariant I3).
    """
    name = tarball_name(release)
    exts = ("sha256sum", paths.signature_ext(name), *documents.NEWS_EXTS)
    return [*(paths.release_key(name, ext) for ext in exts), paths.tarball_key(name)]


def remove_files(store: ReleaseStore, release: Release) -> None:
    """Let nobody read them any more, once no index lists them (invariant I1); again, it does nothing."""
    for key in files(release):
        store.remove(key)
