"""What gpgv reports: one good signature in so many words, or a refusal."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service.errors import (
    BadSignature,
    Refused,
    SignatureDoesNotMatch,
    SignatureNotTrusted,
    SignatureOutOfTime,
    SigningKeyNotUsable,
)
from release_service.openpgp import status

NAME, ONE = "A" * 40, f"[GNUPG:] VALIDSIG {'A' * 40} 2026-01-01 1767225600 0 4 0 22 10 00 {'A' * 40}\n"
SAID = f"[GNUPG:] NEWSIG\n[GNUPG:] KEY_CONSIDERED {NAME} 0\n[GNUPG:] GOODSIG {'A' * 16} Ada\n{ONE}"
REPORTS: dict[str, tuple[type[Refused], str, int]] = {
    "nothing": (BadSignature, "", 0),
    "exit-status": (BadSignature, SAID, 1),
    "cut-off": (BadSignature, SAID[:-1], 0),
    "two-signatures": (BadSignature, SAID * 2, 0),
    "valid-without-good": (BadSignature, f"[GNUPG:] NEWSIG\n{ONE}", 0),
    "good-without-valid": (BadSignature, SAID.removesuffix(ONE), 0),
    "unknown-word": (BadSignature, f"{SAID}[GNUPG:] BRAND_NEW x\n", 0),
    "error": (BadSignature, f"{SAID}[GNUPG:] ERROR verify 1\n", 0),
    "failure": (BadSignature, f"{SAID}[GNUPG:] FAILURE gpgv 1\n", 0),
    "no-data": (BadSignature, "[GNUPG:] NODATA 4\n", 2),
    "errsig": (BadSignature, f"[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG {'A' * 16} 22 10 00 1 4 {NAME}\n", 2),
    "a-line-of-another": (BadSignature, f"gpgv: hello\n{SAID}", 0),
    "lower-case": (BadSignature, SAID.replace("GOODSIG", "goodsig"), 0),
    "text-mode": (BadSignature, SAID.replace(" 00 ", " 01 "), 0),
    "version-3": (BadSignature, SAID.replace(" 4 0 22", " 3 0 22"), 0),
    "valid-cut": (BadSignature, SAID.replace(ONE, ONE[:60] + "\n"), 0),
    "carriage-return": (BadSignature, SAID.replace(ONE, ONE[:-1] + "\r\n"), 0),
    "bad": (SignatureDoesNotMatch, f"[GNUPG:] NEWSIG\n[GNUPG:] BADSIG {'A' * 16} Ada\n", 1),
    "good-and-bad": (SignatureDoesNotMatch, f"{SAID}[GNUPG:] BADSIG {'A' * 16} Ada\n", 0),
    "expired": (SignatureOutOfTime, SAID.replace("GOODSIG", "EXPSIG"), 0),
    "key-expired": (SigningKeyNotUsable, SAID.replace("GOODSIG", "EXPKEYSIG"), 0),
    "key-revoked": (SigningKeyNotUsable, SAID.replace("GOODSIG", "REVKEYSIG"), 0),
    "no-key": (SignatureNotTrusted, f"[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG x\n[GNUPG:] NO_PUBKEY {'A' * 16}\n", 2),
}


@pytest.mark.parametrize(("kind", "said", "exit_status"), REPORTS.values(), ids=REPORTS)
def test_only_one_good_signature_in_so_many_words_is_a_verdict(
    kind: type[Refused], said: str, exit_status: int
) -> None:
    assert status.read(SAID.encode(), 0).primary == NAME
    with pytest.raises(Refused) as refused:
        status.read(said.encode(), exit_status)
    assert type(refused.value) is kind, refused.value.detail


LINES = [line for _, said, _ in REPORTS.values() for line in [said, *said.splitlines(keepends=True)]]
words = st.sampled_from([*LINES, SAID, "[GNUPG:] ", "VALIDSIG", "\n"]) | st.text(max_size=9)


@given(st.lists(words, max_size=6), st.integers(0, 2))
def test_any_report_is_refused_or_names_the_one_good_signature(said: list[str], exit_status: int) -> None:
    with contextlib.suppress(BadSignature, SignatureNotTrusted):
        good = status.read("".join(said).encode(), exit_status)
        assert exit_status == 0
        assert (good.fingerprint, good.primary) == (NAME, NAME)
