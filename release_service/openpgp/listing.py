"""gpg's own view of a certificate that is to be registered: it must be ours.

The rows are those of doc/DETAILS of GnuPG, "Format of the colon listings".
"""

from pathlib import Path

from release_service.errors import BadCertificate
from release_service.openpgp import Certificate, gpg

TIMEOUT_S = 30.0
_KEYRING = "keyring.gpg"
_GOOD = "!"
# Not "e", expired: when it ends is compared, and our own rule says what that means.
_UNUSABLE = frozenset("oidrn")
# Columns of a row, counted from 0.
_VALIDITY, _EXPIRES, _USER_ID, _CAPABILITIES = 1, 6, 9, 11


def check(certificate: Certificate, *, directory: Path | None = None) -> None:
    """Hold that gpg reads in *certificate* the same keys, until the same day, and finds each of its signatures good.

    (Raises: BadCertificate; SignatureCheckUnavailable.)
    """
    rows = _rows(certificate, directory)
    listed = [row[_USER_ID] for row in rows if row[0] == "fpr"]
    expected = {certificate.fingerprint} | {key.fingerprint for key in certificate.signing}
    if set(listed) != expected or len(listed) != len(expected):
        raise BadCertificate("OPINIONS", f"gpg reads other keys in it than we do: {', '.join(listed) or 'none'}.")
    if any(row[_VALIDITY] != _GOOD for row in rows if row[0] in {"sig", "rev"}):
        raise BadCertificate("OPINIONS", "gpg finds a signature in it that is not good.")
    (primary,) = (row for row in rows if row[0] == "pub")
    expires = str(int(certificate.expires_at.timestamp())) if certificate.expires_at else ""
    if primary[_VALIDITY] in _UNUSABLE or primary[_EXPIRES] != expires:
        raise BadCertificate("OPINIONS", "gpg finds that it was revoked, or ends at another time.")
    signing = any(key.fingerprint == certificate.fingerprint for key in certificate.signing)
    if signing and "s" not in primary[_CAPABILITIES]:
        raise BadCertificate("OPINIONS", "gpg does not agree that the primary key may sign.")


def _rows(certificate: Certificate, directory: Path | None) -> list[list[str]]:
    program = gpg.require("gpg")
    with gpg.private_home(directory) as home:
        (home / _KEYRING).write_bytes(certificate.packets)
        quiet = ["--homedir", str(home), "--no-options", "--batch", "--no-tty", "--quiet", "--no-autostart"]
        alone = ["--no-default-keyring", "--keyring", str(home / _KEYRING), "--trust-model", "always"]
        exact = [
            "--with-colons",
            "--fixed-list-mode",
            "--with-fingerprint",
            "--with-fingerprint",
            "--no-auto-check-trustdb",
        ]
        said = gpg.run([program, *quiet, *alone, *exact, "--check-signatures"], home, timeout_s=TIMEOUT_S)
    if said.exit_status != 0:
        raise BadCertificate("OPINIONS", "gpg cannot read it.")
    # A user id cannot begin a line: gpg escapes what is not printable, and colons.
    return [line.split(":") for line in said.printed.decode("utf-8", "replace").splitlines()]
