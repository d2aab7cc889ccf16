"""The form of a token: everything that made other services accept what they should not."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service.errors import NotAuthenticated
from release_service.identity.token import MAX_TOKEN_BYTES, parse, text_claim, time_claim

HEADER = {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
CLAIMS = {"iss": "https://gitlab.gnome.org", "jti": "1"}


def part(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def token(header: object = HEADER, claims: object = CLAIMS, signature: str = "c2ln") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


def test_a_token_of_good_form_says_its_key_and_its_claims() -> None:
    parsed = parse(token())
    assert (parsed.key_id, parsed.issuer, parsed.claims) == ("key-1", CLAIMS["iss"], CLAIMS)
    assert parsed.text == token()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "kid": "key-1"},
        HEADER | {"jwk": {"kty": "oct", "k": "AAAA"}},
        HEADER | {"jku": "https://evil.example/keys"},
        HEADER | {"x5u": "https://evil.example/cert", "x5c": ["AAAA"]},
        HEADER | {"kid": "../../etc/passwd' OR 1=1 --"},
        HEADER | {"x": None},
    ],
    ids=["no-typ", "jwk", "jku", "x5u-x5c", "kid-is-anything", "unknown-member"],
)
def test_what_a_header_says_beside_its_key_id_does_nothing(header: dict[str, Any]) -> None:
    parsed = parse(token(header))
    assert parsed.key_id == header["kid"]
    assert parsed.claims == CLAIMS


def test_a_token_may_have_16_kib() -> None:
    start = token(signature="")
    assert parse(start + "A" * ((MAX_TOKEN_BYTES - len(start)) // 4 * 4)).key_id == "key-1"


def nested(depth: int) -> object:
    """Objects and lists in turn, *depth* of them."""
    value: object = 1
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


def test_claims_may_be_16_deep() -> None:
    assert parse(token(claims={"x": nested(15)})).key_id == "key-1"


DEEP = 2000  # as deep as a token of 16 KiB allows by far
BAD: dict[str, str] = {
    "empty": "",
    "one-part": "abc",
    "two-parts": ".".join(token().split(".")[:2]),
    "four-parts": token() + ".c2ln",
    "five-parts-as-encrypted": token() + ".c2ln.c2ln",
    "no-signature": token(signature=""),
    "no-header": token().partition(".")[2],
    "empty-header": "." + token().partition(".")[2],
    "only-dots": "..",
    "padding": token(signature="c2k="),
    "padded-header": part(HEADER) + "=." + token().partition(".")[2],
    "standard-alphabet": token(signature="c2l+"),
    "slash": token(signature="c2l/"),
    "space": token() + " ",
    "space-before": " " + token(),
    "newline": token() + "\n",
    "newline-inside": token().replace(".", ".\n", 1),
    "nul": token() + "\0",
    "not-ascii": token() + "\u00e9",
    "full-width-dot": token().replace(".", "\uff0e", 1),
    "lone-surrogate": token() + "\ud800",
    "bearer-prefix": "Bearer " + token(),
    "one-letter-too-many": token(signature="c2lnA"),
    "not-canonical-signature": token(signature="c2k"[:2] + "l"),
    "not-canonical-header": part(HEADER)[:-1] + chr(ord(part(HEADER)[-1]) + 1) + "." + token().partition(".")[2],
    "longer-than-16-kib": token(signature="A" * MAX_TOKEN_BYTES),
    "a-megabyte": "A" * 2**20,
    "header-not-json": token(b"{"),
    "header-empty-json": token(b""),
    "header-list": token([HEADER]),
    "header-text": token("RS256"),
    "header-null": token(None),
    "header-number": token(1),
    "claims-list": token(claims=[CLAIMS]),
    "claims-text": token(claims="iss"),
    "claims-null": token(claims=None),
    "claims-not-json": token(claims=b"{'iss': 1}"),
    "json-then-junk": token(claims=b'{"iss":"a"} x'),
    "two-json-objects": token(b'{"alg":"RS256","kid":"a"}{"alg":"none"}'),
    "header-not-utf8": token(b'{"alg":"RS256","kid":"\xff"}'),
    "header-utf16": token(json.dumps(HEADER).encode("utf-16")),
    "header-utf16-without-mark": token(json.dumps(HEADER).encode("utf-16-le")),
    "header-utf32": token(json.dumps(HEADER).encode("utf-32")),
    "header-with-byte-order-mark": token(json.dumps(HEADER).encode("utf-8-sig")),
    "claims-surrogate-bytes": token(claims=b'{"iss":"\xed\xa0\x80"}'),
    "alg-twice": token(b'{"alg":"RS256","kid":"a","alg":"none"}'),
    "alg-twice-the-good-one-last": token(b'{"alg":"none","kid":"a","alg":"RS256"}'),
    "alg-twice-by-escape": token(b'{"alg":"RS256","kid":"a","\\u0061lg":"none"}'),
    "claim-twice": token(claims=b'{"iss":"a","iss":"b"}'),
    "claim-twice-in-depth": token(claims=b'{"iss":"a","x":[{"y":1,"y":2}]}'),
    "nan": token(claims=b'{"iss":"a","exp":NaN}'),
    "infinity": token(claims=b'{"iss":"a","exp":Infinity}'),
    "minus-infinity": token(claims=b'{"iss":"a","exp":-Infinity}'),
    "integer-with-5000-digits": token(claims=b'{"iss":"a","exp":' + b"9" * 5000 + b"}"),
    "17-deep": token(claims={"x": nested(16)}),
    "17-deep-header": token(HEADER | {"x": nested(16)}),
    "deep-lists": token(claims=b"[" * DEEP + b"]" * DEEP),
    "deep-objects": token(claims=b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "20000-deep": token(claims=b"[" * 20_000 + b"]" * 20_000),
    "deep-header": token(b"[" * 6000),
    "alg-none": token(HEADER | {"alg": "none"}),
    "alg-None": token(HEADER | {"alg": "None"}),
    "alg-none-without-signature": token(HEADER | {"alg": "none"}, signature=""),
    "alg-hs256": token(HEADER | {"alg": "HS256"}),
    "alg-rs512": token(HEADER | {"alg": "RS512"}),
    "alg-ps256": token(HEADER | {"alg": "PS256"}),
    "alg-es256": token(HEADER | {"alg": "ES256"}),
    "alg-eddsa": token(HEADER | {"alg": "EdDSA"}),
    "alg-small-letters": token(HEADER | {"alg": "rs256"}),
    "alg-space": token(HEADER | {"alg": "RS256 "}),
    "alg-list": token(HEADER | {"alg": ["RS256"]}),
    "alg-null": token(HEADER | {"alg": None}),
    "alg-missing": token({"kid": "a"}),
    "kid-missing": token({"alg": "RS256"}),
    "kid-empty": token(HEADER | {"kid": ""}),
    "kid-null": token(HEADER | {"kid": None}),
    "kid-number": token(HEADER | {"kid": 1}),
    "kid-list": token(HEADER | {"kid": ["key-1"]}),
    "kid-object": token(HEADER | {"kid": {"key-1": 1}}),
    "crit": token(HEADER | {"crit": ["exp"]}),
    "crit-empty": token(HEADER | {"crit": []}),
    "crit-null": token(HEADER | {"crit": None}),
    "zip": token(HEADER | {"zip": "DEF"}),
    "cty": token(HEADER | {"cty": "JWT"}),
    "b64": token(HEADER | {"b64": False, "crit": ["b64"]}),
    "b64-without-crit": token(HEADER | {"b64": True}),
    "typ-at": token(HEADER | {"typ": "at+jwt"}),
    "typ-logout": token(HEADER | {"typ": "logout+jwt"}),
    "typ-number": token(HEADER | {"typ": 1}),
    "typ-null": token(HEADER | {"typ": None}),
    "typ-list": token(HEADER | {"typ": ["JWT"]}),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_token_of_bad_form_proves_nothing(text: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        parse(text)
    assert len(caught.value.detail) < 200


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
headers = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "x"]), values | st.just("RS256"), max_size=4)


@given(
    st.text()
    | st.text("AZaz09-_.=", max_size=60)
    | st.builds(token, headers, values, st.text("AZaz09-_", max_size=8))
    | st.builds(token, st.binary(), st.binary())
)
def test_any_text_is_a_token_or_proves_nothing(text: str) -> None:
    try:
        assert parse(text).key_id
    except NotAuthenticated:
        return


@given(st.dictionaries(st.just("x"), values))
def test_a_claim_is_of_its_kind_or_proves_nothing(claims: dict[str, Any]) -> None:
    try:
        assert isinstance(text_claim(claims, "x"), str)
    except NotAuthenticated:
        assert not claims or not isinstance(claims["x"], str) or not claims["x"]
    try:
        assert time_claim(claims, "x") >= 0
    except NotAuthenticated:
        assert not claims or type(claims["x"]) is not int or not 0 <= claims["x"] < 2**40


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 2**40, 10**400, [1]])
def test_a_time_is_a_plain_integer_that_a_clock_can_show(value: object) -> None:
    with pytest.raises(NotAuthenticated):
        time_claim({"exp": value}, "exp")
