"""Is this tarball signed by one of these certificates?  Yes, or a refusal (security, section 4).

Our own reading of the signature came first (`detached`).  Here gpgv judges, with a keyring of exactly these
certificates in an empty home; then our rules: the key that it names is the one that the signature names, and may sign;
the times are right; and sqv, where it is installed, says the same.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from release_service.errors import (
    BadSignature,
    SignatureDoesNotMatch,
    SignatureNotTrusted,
    SignatureOutOfTime,
    SigningKeyNotUsable,
)
from release_service.openpgp import (
    Certificate,
    Signature,
    SigningKey,
    Verified,
    detached,
    gpg,
    keyring,
    packets,
    status,
)
from release_service.openpgp import signature as signatures

log = structlog.get_logger()

# Several times what 1 GiB takes.
TIMEOUT_S = 120.0
_CHUNK_BYTES = 1024 * 1024
_KEYRING = "keyring.gpg"
_SIGNATURE = "signature.sig"


@dataclass(frozen=True, slots=True)
class Window:
    """When a signature must have been made: not in the future, and not longer ago than *longest_ago*, if any."""

    now: datetime
    longest_ago: timedelta | None = None


def verify(
    signature: Signature,
    tarball: int | Path,
    certificates: Sequence[Certificate],
    window: Window,
    *,
    directory: Path | None = None,
) -> Verified:
    """Say who of *certificates* has signed *tarball*, a descriptor (its offset stays) or a path, within *window*.

    Private files live below *directory* while this runs.  The tarball is streamed; memory does not grow with it.
    (Raises: BadSignature, SignatureNotTrusted; SignatureCheckUnavailable.)
    """
    certificate, key = _key_of(signature, certificates)
    _check_time(signature, key, window)
    # All three read the whole tarball, at once; gpgv is heard first.
    with gpg.private_home(directory) as home, ThreadPoolExecutor(2) as beside:
        (home / _KEYRING).write_bytes(keyring.binary(certificates))
        (home / _SIGNATURE).write_bytes(signature.packet)
        begins_rightly = beside.submit(_begins_rightly, signature, tarball)
        agrees = beside.submit(_sqv_agrees, home, tarball)
        good = _gpgv(home, tarball)
        if not agrees.result():
            raise _opinions_differ()
        if not begins_rightly.result():
            raise SignatureDoesNotMatch("DIGEST", "The two octets of the digest that it quotes are not this tarball's.")
    if (good.fingerprint, good.primary) != (signature.issuer, certificate.fingerprint):
        raise BadSignature("ISSUER", f"It says that {signature.issuer} made it, and gpgv that {good.fingerprint} did.")
    if good.created_at != signature.created_at:
        raise BadSignature("TIME", "gpgv reads another time in it than we do.")
    return Verified(certificate.fingerprint, key.fingerprint, signature.created_at)


def _key_of(signature: Signature, certificates: Sequence[Certificate]) -> tuple[Certificate, SigningKey]:
    for certificate in certificates:
        for key in certificate.signing:
            if key.fingerprint == signature.issuer:
                if certificate.revoked or key.revoked:
                    raise SigningKeyNotUsable(f"The key {key.fingerprint} was revoked.")
                return certificate, key
    raise SignatureNotTrusted(f"It says that the key {signature.issuer} made it, which is not registered here.")


def _check_time(signature: Signature, key: SigningKey, window: Window) -> None:
    made = f"It was made at {signature.created_at:%F %T} UTC"
    if signature.created_at > window.now + detached.LEEWAY:
        raise SignatureOutOfTime("FUTURE", f"{made}, which is in the future.")
    if signature.created_at < key.created_at:
        raise SignatureOutOfTime("BEFORE_KEY", f"{made}, before its key was, at {key.created_at:%F %T} UTC.")
    if window.longest_ago is not None and signature.created_at < window.now - window.longest_ago:
        days = window.longest_ago / timedelta(days=1)
        raise SignatureOutOfTime("TOO_OLD", f"{made}, more than {days:g} days ago.")
    if key.expires_at is not None and key.expires_at <= window.now:
        raise SigningKeyNotUsable(f"The key {key.fingerprint} has expired at {key.expires_at:%F %T} UTC.")


def _gpgv(home: Path, tarball: int | Path) -> status.Good:
    gpgv = gpg.require("gpgv")
    names = [str(home / _KEYRING), str(home / _SIGNATURE)]
    # Never --verbose: it mixes what it prints with what a stranger wrote.
    options = ["--homedir", str(home), "--quiet", "--status-fd", "STATUS", "--weak-digest", "SHA1", "--keyring"]
    with _opened(tarball) as fd:
        said = gpg.run([gpgv, *options, *names, "-"], home, stdin=fd, timeout_s=TIMEOUT_S)
    return status.read(said.status, said.exit_status)


def _begins_rightly(signature: Signature, tarball: int | Path) -> bool:
    """Say whether the digest begins as the signature quotes it, unprotected: gpgv does not look, others refuse."""
    (packet,) = packets.read(signature.packet, 1)
    said = signatures.read(packet.body)
    digest = hashlib.new(signature.digest)
    with _opened(tarball) as fd, open(fd, "rb", buffering=0, closefd=False) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    digest.update(said.trailer)
    return digest.digest()[:2] == said.left


def _sqv_agrees(home: Path, tarball: int | Path) -> bool:
    """Say whether sqv finds a good signature, too; where it is not installed, it does not contradict."""
    sqv = gpg.find("sqv")
    if sqv is None:
        return True
    command = [sqv, "--keyring", str(home / _KEYRING), str(home / _SIGNATURE), "/dev/stdin"]
    with gpg.private_home(home) as its_own, _piped(tarball) as fd:
        return gpg.run(command, its_own, stdin=fd, timeout_s=TIMEOUT_S).exit_status == 0


def _opinions_differ() -> BadSignature:
    log.error("signature_opinions_differ", accepted_by="gpgv", refused_by="sqv")
    return BadSignature(
        "OPINIONS",
        "gpgv accepts it, and sqv does not: perhaps its key was extended, or changed, after it was made.",
        remedy="Sign the tarball again with the key as it is now, and send that signature.",
    )


@contextmanager
def _piped(tarball: int | Path) -> Iterator[int]:
    """Give the end of a pipe through which the tarball comes: sqv would map a file, all of it, into its memory."""
    end, begin = os.pipe()
    with ThreadPoolExecutor(1) as beside:
        fed = beside.submit(_feed, tarball, begin)
        try:
            yield end
        finally:
            os.close(end)
    fed.result()


def _feed(tarball: int | Path, begin: int) -> None:
    try:
        # Who has seen enough reads no more.
        with _opened(tarball) as fd, suppress(BrokenPipeError):
            while os.splice(fd, begin, _CHUNK_BYTES):
                pass
    finally:
        os.close(begin)


@contextmanager
def _opened(tarball: int | Path) -> Iterator[int]:
    """Give a descriptor of our own, at the beginning: a received tarball has no name, and others read it, too."""
    path = tarball if isinstance(tarball, Path) else Path(f"/proc/self/fd/{tarball}")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
