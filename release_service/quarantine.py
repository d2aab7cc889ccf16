"""The files of a quarantined release are taken out of the store; what it was, its release.json goes on telling."""

from release_service import documents, paths
from release_service.db.releases import is_imported, tarball_name
from release_service.db.tables import Release
from release_service.store import ReleaseStore

# How checksum files of old trees are called; newer ones are called as ours are.
_SUMS = ("sha256sum", "sha256", "md5sum", "md5", "sha1sum", "sha1")


def files(release: Release) -> list[str]:
    """Return the keys of all files that it may have but release.json: first the checksum file, last the tarball.

    So that no checksum file is readable that lists what is gone (invariant I3).
    """
    name = tarball_name(release)
    if is_imported(release):
        came = sorted(release.imported, key=lambda file: (not file.path.endswith(_SUMS), file.path))
        beside = [paths.module_key(name.module, file.path) for file in came]
        return [*beside, paths.release_key(name, paths.signature_ext(name)), paths.tarball_key(name)]
    exts = ("sha256sum", paths.signature_ext(name), *documents.NEWS_EXTS)
    return [*(paths.release_key(name, ext) for ext in exts), paths.tarball_key(name)]


def remove_files(store: ReleaseStore, release: Release) -> None:
    """Let nobody read them any more, once no index lists them (invariant I1); again, it does nothing."""
    for key in files(release):
        store.remove(key)
