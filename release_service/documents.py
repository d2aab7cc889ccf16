"""The files beside a tarball: what they say, made from the release's row alone.

An upload that died half-way is finished from its row, so these must not depend on anything else.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from release_service import checksum, news, paths
from release_service.archive import Inspection
from release_service.db import signatures
from release_service.db.releases import is_imported, tarball_name
from release_service.db.tables import ImportedFile, Release

FORMAT = 1
MOMENT = "%Y-%m-%dT%H:%M:%SZ"

# Published file <- member of the archive (CONTRACT.md 4).
_NEWS_FILES = {"news": "NEWS", "changes": "ChangeLog"}
NEWS_EXTS = tuple(_NEWS_FILES)


def news_files(texts: Mapping[str, bytes], previous: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return {ext: content} of what is new in *texts*, compared with the *previous* version's."""
    found = {
        ext: news.new_block(previous.get(member), texts[member])
        for ext, member in _NEWS_FILES.items()
        if member in texts
    }
    return {ext: content for ext, content in found.items() if content}


def archive(found: Inspection) -> dict[str, Any]:
    """Return what is told of a tarball's inside; the digest stands for those of all members (docs/decisions/0014)."""
    return {
        "members": found.members,
        "expanded_bytes": found.expanded_bytes,
        "warnings": found.warnings,
        "listing_sha256": checksum.digest(found.listing),
    }


def keys(release: Release) -> set[str]:
    """Return the keys of the tarball, of all that `beside` makes or came along, and of a signature that was taken.

    Of a quarantined release nothing but its release.json may be there.
    """
    exts = {file.ext for file in release.files} | {"release.json"}
    name = tarball_name(release)
    if not is_imported(release):
        exts.add("sha256sum")
    if release.signature is not None:
        exts.add(paths.signature_ext(name))
    imported = {paths.module_key(name.module, file.path) for file in release.imported}
    return {paths.tarball_key(name)} | {paths.release_key(name, ext) for ext in exts} | imported


def beside(release: Release) -> list[dict[str, bytes]]:
    """Return {key: content} of what is stored after the tarball, in steps: each step once the last is there.

    A readable checksum file has all that it lists readable (invariant I3): it comes last.
    """
    name = tarball_name(release)
    files = {paths.release_key(name, file.ext): zlib.decompress(file.deflated) for file in release.files}
    if signature := signatures.published(release):
        files[paths.release_key(name, paths.signature_ext(name))] = signature.text.encode("ascii")
    sums = {} if is_imported(release) else {paths.release_key(name, "sha256sum"): _checksum_file(release)}
    return [files, {**sums, paths.release_key(name, "release.json"): release_json(release)}]


def _checksum_file(release: Release) -> bytes:
    name = tarball_name(release)
    digests = {file.ext: file.sha256 for file in release.files}
    others = {f"{name.release}.{ext}": digests[ext] for ext in _NEWS_FILES if ext in digests}
    return checksum.write(name, release.sha256, others)


def told_later(release: Release) -> bool:
    """Say whether release.json tells more of *release* than it did when it was stored, before it was published."""
    changes = release.yank_reason, release.quarantine_reason
    is_changed = any(reason is not None for reason in changes)
    return is_changed or signatures.published(release) is not None or _published_later(release)


def _published_later(release: Release) -> bool:
    """Say whether the day that the indexes show is another than the one on which the tarball was received."""
    return release.published_at is not None and release.published_at.date() != release.claimed_at.date()


def standing(release: Release) -> dict[str, dict[str, str]]:
    """Return what has become of it since it was published: {yanked, unyanked or quarantined: {at, reason}}."""
    told = {
        "yanked": (release.yanked_at, release.yank_reason),
        "unyanked": (release.unyanked_at, release.yank_reason),
        "quarantined": (release.quarantined_at, release.quarantine_reason),
    }
    return {what: {"at": at.strftime(MOMENT), "reason": reason or ""} for what, (at, reason) in told.items() if at}


def release_json(release: Release) -> bytes:
    """Tell what the database knows of the release, so that it can be rebuilt from the bucket (docs/decisions/0019).

    `repair.record` reads it: what is told here is read there.
    """
    name = tarball_name(release)
    document = {
        "format": FORMAT,
        "module": name.module,
        "version": str(name.version),
        "series": name.series,
        "tarball": {"name": str(name), "size": release.size, "sha256": release.sha256},
        "files": [
            {"name": f"{name.release}.{file.ext}", "size": file.size, "sha256": file.sha256} for file in release.files
        ],
        "archive": release.archive,
        "proof": release.proof,
        "received": release.claimed_at.strftime(MOMENT),
    }
    if release.published_at is not None and _published_later(release):
        document["published"] = release.published_at.strftime(MOMENT)
    if signature := signatures.published(release):
        document["signature"] = {
            "name": f"{name.release}.{paths.signature_ext(name)}",
            "fingerprint": signature.fingerprint,
            "signing_fingerprint": signature.signing_fingerprint,
            "signed": signature.signed_at.strftime(MOMENT),
            "added": signature.added_at.strftime(MOMENT),
        }
    if is_imported(release):
        document["files"] = [_told(file) for file in sorted(release.imported, key=lambda file: file.path)]
    document |= standing(release)
    return json.dumps(document, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def _told(file: ImportedFile) -> dict[str, Any]:
    """Tell of a file that came along; `path` is below the module's directory: an old tree's need not follow a rule."""
    return {
        "name": file.path.rpartition("/")[2],
        "size": file.size,
        "sha256": file.sha256,
        "ext": file.ext,
        "path": file.path,
        "modified": file.modified_at.strftime(MOMENT),
    }
