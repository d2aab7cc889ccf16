"""What verifying a signature adds to an upload of 100 MB, against gpgv alone."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks import table
from benchmarks.tarballs import images
from release_service.openpgp import certificate, detached
from release_service.openpgp.verify import Window, verify
from signatures import Gpg, gpg_home

_ROUNDS = 7
_BYTES = 100_000_000


def measure() -> None:
    """Print the table: seconds, medians of rounds that take turns with the floor."""
    tarball = images("signed-1.0", _BYTES)
    table.heading(
        "7. Verifying a signature of 100 MB",
        f"Median of {_ROUNDS} rounds.  gpgv: alone, from its start to its end.  ours: our own reading, gpgv, sqv where",
        "it is installed, and the beginning of the digest; keys are read anew, private files made and removed.",
    )
    with gpg_home() as gpg:
        rows = [_row(gpg, tarball, digest) for digest in ("SHA256", "SHA512")]
    table.show(["digest", "gpgv", "ours", "ratio"], rows)


def _row(gpg: Gpg, tarball: Path, digest: str) -> list[str]:
    key = gpg.new_key(digest.lower(), "rsa4096")
    public, ring, detached_ = gpg.export(key), gpg.home / f"{digest}.gpg", gpg.home / f"{digest}.sig"
    ring.write_bytes(gpg("--export", key))
    detached_.write_bytes(gpg("--local-user", key, "--digest-algo", digest, "--detach-sign", "-o", "-", tarball))
    floors, ours = [], []
    for _ in range(_ROUNDS):
        floors.append(_timed(lambda: _by_gpgv(ring, detached_, tarball)))
        ours.append(_timed(lambda: _by_us(public, detached_.read_bytes(), tarball)))
    floor, own = median(floors), median(ours)
    return [digest, f"{floor:.2f}", f"{own:.2f}", f"{own / floor:.1f}"]


def _by_gpgv(ring: Path, signature: Path, tarball: Path) -> None:
    subprocess.run(["gpgv", "--keyring", ring, signature, tarball], check=True, capture_output=True)


def _by_us(public: bytes, signature: bytes, tarball: Path) -> None:
    now = datetime.now(UTC)
    verify(detached.read(signature, now=now), tarball, [certificate.read(public, now=now)], Window(now))


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
