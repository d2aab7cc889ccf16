"""The checksum file: what sha256sum -c, Flathub's parser and Chromebrew's tail -n1 read."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service import checksum
from release_service.tarball import TarballName

NAME = TarballName.parse("gtk+-3.24.52.tar.xz")
A, B, C = "a" * 64, "b" * 64, "0123456789abcdef" * 4


def test_a_lone_tarball_is_one_line() -> None:
    assert checksum.write(NAME, A, {}) == f"{A}  gtk+-3.24.52.tar.xz\n".encode()


def test_the_tarball_is_the_last_line() -> None:
    others = {"gtk+-3.24.52.news": B, "gtk+-3.24.52.changes": C}
    assert checksum.write(NAME, A, others).decode().splitlines() == [
        f"{B}  gtk+-3.24.52.news",
        f"{C}  gtk+-3.24.52.changes",
        f"{A}  gtk+-3.24.52.tar.xz",
    ]


def test_every_line_splits_in_two_fields() -> None:
    for line in checksum.write(NAME, A, {"gtk+-3.24.52.news": B}).decode().splitlines():
        digest, base = line.split()
        assert len(digest) == 64
        assert "/" not in base


def test_sha256sum_accepts_what_is_written(tmp_path: Path) -> None:
    contents = {"gtk+-3.24.52.news": b"news\n", str(NAME): b"tarball"}
    for base, content in contents.items():
        (tmp_path / base).write_bytes(content)
    others = {"gtk+-3.24.52.news": checksum.digest(b"news\n")}
    (tmp_path / "sums").write_bytes(checksum.write(NAME, checksum.digest(b"tarball"), others))
    done = subprocess.run(
        ["sha256sum", "--strict", "--warn", "-c", "sums"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / str(NAME)).write_bytes(b"tarbell")
    assert subprocess.run(["sha256sum", "-c", "sums"], cwd=tmp_path, capture_output=True, check=False).returncode == 1


digests = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
bases = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9+._-]{0,20}\Z")


@given(digests, st.dictionaries(bases.filter(lambda base: base != str(NAME)), digests, max_size=5))
def test_reading_what_was_written_gives_it_back(sha256: str, others: dict[str, str]) -> None:
    assert checksum.read(checksum.write(NAME, sha256, others)) == others | {str(NAME): sha256}


BAD = {
    "one-space": f"{A} gtk-4.18.1.tar.xz\n",
    "three-spaces": f"{A}   gtk-4.18.1.tar.xz\n",
    "tab": f"{A}\tgtk-4.18.1.tar.xz\n",
    "binary-star": f"{A} *gtk-4.18.1.tar.xz\n",
    "bsd-form": f"SHA256 (gtk-4.18.1.tar.xz) = {A}\n",
    "no-newline-at-the-end": f"{A}  gtk-4.18.1.tar.xz",
    "crlf": f"{A}  gtk-4.18.1.tar.xz\r\n",
    "blank-line": f"{A}  gtk-4.18.1.news\n\n{B}  gtk-4.18.1.tar.xz\n",
    "comment": f"# sums\n{A}  gtk-4.18.1.tar.xz\n",
    "capital-hex": f"{A.upper()}  gtk-4.18.1.tar.xz\n",
    "63-hex": f"{A[:63]}  gtk-4.18.1.tar.xz\n",
    "65-hex": f"{A}a  gtk-4.18.1.tar.xz\n",
    "sha512": f"{A}{A}  gtk-4.18.1.tar.xz\n",
    "not-hex": f"{'g' * 64}  gtk-4.18.1.tar.xz\n",
    "directory": f"{A}  4.18/gtk-4.18.1.tar.xz\n",
    "dot-first": f"{A}  .gtk-4.18.1.tar.xz\n",
    "no-name": f"{A}  \n",
    "name-with-space": f"{A}  gtk 4.18.1.tar.xz\n",
    "twice": f"{A}  gtk-4.18.1.tar.xz\n" * 2,
    "twice-differing": f"{A}  gtk-4.18.1.tar.xz\n{B}  gtk-4.18.1.tar.xz\n",
    "escaped": f"\\{A}  gtk-4.18.1.tar.xz\n",
    "pgp": f"-----BEGIN PGP SIGNED MESSAGE-----\n{A}  gtk-4.18.1.tar.xz\n",
    "not-ascii": f"{A}  g\u00fctk-4.18.1.tar.xz\n",
    "nul": f"{A}  gtk-4.18.1.tar.xz\n\0",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_line_of_another_form_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        checksum.read(text.encode())


@given(st.binary())
def test_any_bytes_are_read_or_a_value_error(content: bytes) -> None:
    try:
        checksum.read(content)
    except ValueError:
        return


def test_a_digest_is_the_sha256_in_lower_case_hex() -> None:
    assert checksum.digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
