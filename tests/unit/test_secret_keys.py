"""A secret key is seen before it is sent, in whichever form gpg, or anybody, writes it."""

import base64

import pytest

from release_service.client.secret import holds_secret_key
from signatures import Gpg, framed

PUBLIC, SECRET, SUBKEY, USER_ID, SECRET_SUBKEY = 6, 5, 14, 13, 7
LENGTHS = ["old", "old, two octets", "old, four octets", "new", "new, five octets"]


def in_armour(data: bytes, label: str = "PUBLIC KEY BLOCK", head: str = "") -> bytes:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN PGP {label}-----\n{head}\n{text}=AAAA\n-----END PGP {label}-----\n".encode()


@pytest.mark.parametrize("size", [10, 191, 192, 300, 9000])
@pytest.mark.parametrize("how", LENGTHS)
@pytest.mark.parametrize("tag", [SECRET, SECRET_SUBKEY])
def test_a_secret_key_is_found_behind_packets_of_any_form(tag: int, how: str, size: int) -> None:
    if how == "new" and size > 8000:
        pytest.skip("two octets hold no such length")
    before = framed(size * b"x", PUBLIC, how) + framed(b"Ada", USER_ID, how)
    assert not holds_secret_key(before)
    for form in ("old", "new", "indeterminate"):
        data = before + framed(b"secret", tag, form)
        assert holds_secret_key(data)
        assert holds_secret_key(in_armour(data))
        assert holds_secret_key(in_armour(data, head="Comment: mine\n").replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xc6",
        b"\xc6\xff",
        framed(99 * b"x", PUBLIC, "partial"),
        framed(b"x", PUBLIC, "indeterminate"),
        in_armour(framed(b"x", PUBLIC)),
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx\n",
    ],
)
def test_what_holds_none_or_cannot_be_followed_is_left_to_the_service(data: bytes) -> None:
    assert not holds_secret_key(data)


def test_the_label_of_the_armour_is_enough() -> None:
    assert holds_secret_key(in_armour(b"?", "PRIVATE KEY BLOCK"))


@pytest.mark.slow
def test_what_gpg_exports_is_told_apart(gpg: Gpg) -> None:
    key = gpg.new_key("told-apart")
    for armour in ([], ["--armor"]):
        assert holds_secret_key(gpg(*armour, "--export-secret-keys", key))
        assert holds_secret_key(gpg(*armour, "--export-secret-subkeys", key))
        assert not holds_secret_key(gpg(*armour, "--export", key))
