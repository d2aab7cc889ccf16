"""The maintainer's own gpg: exports public keys, makes signatures.  No secret ever passes through us."""

import shutil
import subprocess
from pathlib import Path

from release_service.client import Exit, Failure


def export(fingerprint: str) -> bytes:
    """Return the public key *fingerprint*, in armour.  (Raises: Failure.)"""
    key = _run("--armor", "--export-options", "export-minimal", "--export", fingerprint)
    if not key:
        raise Failure(Exit.FAILED, f"gpg has no public key {fingerprint}.", "See: gpg --list-keys --fingerprint")
    return key


def sign(file: Path, local_user: str | None) -> bytes:
    """Return a detached signature over *file*, in armour, by the key *local_user* or gpg's default.

    gpg may ask for a passphrase, or for a card, in its own way.  (Raises: Failure.)
    """
    key = ["--local-user", local_user] if local_user else []
    options = ["--digest-algo", "SHA512", "--default-sig-expire", "none", "--armor", "--detach-sign", "--output", "-"]
    return _run(*key, *options, "--", str(file))


def _run(*arguments: str) -> bytes:
    gpg = shutil.which("gpg")
    if gpg is None:
        raise Failure(Exit.FAILED, "gpg is not installed here.", "On Debian: apt-get install gpg")
    done = subprocess.run([gpg, *arguments], stdout=subprocess.PIPE, check=False)  # noqa: S603 - its words are for people
    if done.returncode != 0:
        raise Failure(Exit.FAILED, f"gpg has failed (exit status {done.returncode}); what it said is above.")
    return done.stdout
