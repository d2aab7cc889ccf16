"""An issuer's keys: fetched when needed, no more often, and from nowhere else."""

import asyncio
import base64
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from structlog.testing import capture_logs

from pages import Pages
from release_service.demo.gitlab import StandInGitLab
from release_service.errors import IssuerUnavailable, NotAuthenticated
from release_service.identity.keys import IssuerKeys

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/oauth/discovery/keys"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandInGitLab]:
    """An issuer of this file's own: it is rotated and taken down here."""
    issuer = StandInGitLab()
    yield issuer
    issuer.stop()


@pytest.fixture
def issuer(stand_in: StandInGitLab) -> Iterator[StandInGitLab]:
    """The issuer as new: up, with one key, and no request counted."""
    before = list(stand_in.keys)
    stand_in.requests.clear()
    yield stand_in
    stand_in.is_down = False
    stand_in.keys = before


def kid(issuer: StandInGitLab) -> str:
    return str(issuer.keys[0].kid)


def run(act: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await act()

    asyncio.run(main())


def test_a_key_is_fetched_once_for_many_uses(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        for _ in range(20):
            assert (await keys.key(kid(issuer))).kid == kid(issuer)

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS]


def test_of_50_first_uses_at_once_one_fetches(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        found = await asyncio.gather(*(keys.key(kid(issuer)) for _ in range(50)))
        assert {key.kid for key in found} == {kid(issuer)}

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS]


def test_of_50_first_uses_at_once_of_an_unknown_key_one_fetches(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        found = await asyncio.gather(*(keys.key(f"no-{i}") for i in range(50)), return_exceptions=True)
        assert {type(error) for error in found} == {NotAuthenticated}

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS]


def test_unknown_keys_cause_two_fetches_and_then_none_for_a_while(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        await keys.key(kid(issuer))
        for number in range(1000):
            with pytest.raises(NotAuthenticated):
                await keys.key(f"unknown-{number}")
        await keys.key(kid(issuer))

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 3


def test_unknown_keys_that_come_first_cause_two_fetches_in_all(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        for number in range(20):
            with pytest.raises(NotAuthenticated):
                await keys.key(f"unknown-{number}")

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 2


def test_an_unknown_key_is_asked_for_once_in_a_while_however_often_it_comes(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        await keys.key(kid(issuer))
        for _ in range(20):
            with pytest.raises(NotAuthenticated):
                await keys.key("unknown")

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 2


def test_a_made_up_key_does_not_hide_a_new_one(issuer: StandInGitLab) -> None:
    """Else one bad token in a minute would keep out everybody after a rotation."""

    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        await keys.key(kid(issuer))
        with pytest.raises(NotAuthenticated):
            await keys.key("made-up")
        issuer.rotate()
        assert (await keys.key(kid(issuer))).kid == kid(issuer)

    run(act)


def test_who_is_refused_for_an_unknown_key_is_told_to_come_back_in_a_minute(issuer: StandInGitLab) -> None:
    async def act() -> None:
        with pytest.raises(NotAuthenticated) as caught:
            await IssuerKeys(issuer.issuer).key("unknown")
        assert "Retry the job in a minute" in caught.value.next_step

    run(act)


def test_an_unknown_key_is_asked_for_again_after_the_cooldown(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer, cooldown_s=0.05)
        for _ in range(2):
            with pytest.raises(NotAuthenticated):
                await keys.key("unknown")
            await asyncio.sleep(0.1)

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 2


def test_a_new_key_is_noticed_at_its_first_use_and_the_old_one_kept(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        old = kid(issuer)
        await keys.key(old)
        issuer.rotate()
        assert (await keys.key(kid(issuer))).kid == kid(issuer) != old
        assert (await keys.key(old)).kid == old

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 2


def test_a_key_that_was_withdrawn_is_unknown_when_the_keys_are_fetched_again(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer, ttl_s=0)
        old = kid(issuer)
        await keys.key(old)
        issuer.rotate()
        issuer.keys = issuer.keys[:1]
        with pytest.raises(NotAuthenticated):
            await keys.key(old)

    run(act)


def test_a_change_of_the_keys_is_logged_once_by_thumbprint(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer, ttl_s=0)
        for rotates in (False, False, True, False, True, False):
            if rotates:
                issuer.rotate()
            await keys.key(kid(issuer))

    thumbprints = [issuer.keys[0].thumbprint()]
    with capture_logs() as logs:
        run(act)
    thumbprints += [key.thumbprint() for key in reversed(issuer.keys)]
    first, second, third = thumbprints
    known = {"event": "issuer_keys_changed", "log_level": "warning", "issuer": issuer.issuer}
    assert logs == [known | {"added": [second], "removed": []}, known | {"added": [third], "removed": [first]}]


def test_another_key_of_the_same_id_is_a_change(pages: Pages) -> None:
    discovery(pages)
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    other = RSAKey.generate_key(2048, {"kid": "key-1"}, private=True)

    async def act() -> None:
        keys = IssuerKeys(pages.url, ttl_s=0)
        await keys.key("key-1")
        pages.say(KEYS, {"keys": [other.as_dict(private=False)]})
        await keys.key("key-1")

    with capture_logs() as logs:
        run(act)
    assert [(log["event"], log["added"]) for log in logs] == [("issuer_keys_changed", [other.thumbprint()])]


def test_an_issuer_that_is_down_is_not_the_uploaders_fault(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        with pytest.raises(IssuerUnavailable) as caught:
            await keys.key(kid(issuer))
        assert caught.value.retry_after_s > 0

    issuer.is_down = True
    run(act)


def test_an_issuer_that_does_not_listen_is_not_the_uploaders_fault() -> None:
    stopped = StandInGitLab()
    stopped.stop()

    async def act() -> None:
        with pytest.raises(IssuerUnavailable):
            await IssuerKeys(stopped.issuer).key("key")

    run(act)


def test_an_issuer_that_is_down_is_not_asked_by_everybody_at_once(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        found = await asyncio.gather(*(keys.key(kid(issuer)) for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in found} == {IssuerUnavailable}

    issuer.is_down = True
    run(act)
    assert issuer.requests == [DISCOVERY]


def test_keys_past_their_time_serve_while_the_issuer_is_down(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer, ttl_s=0)
        await keys.key(kid(issuer))
        issuer.is_down = True
        assert (await keys.key(kid(issuer))).kid == kid(issuer)
        with pytest.raises(IssuerUnavailable):
            await keys.key("unknown")

    run(act)


def test_keys_do_not_serve_for_ever_while_the_issuer_is_down(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer, ttl_s=0, stale_s=0.02)
        await keys.key(kid(issuer))
        issuer.is_down = True
        await asyncio.sleep(0.05)
        with pytest.raises(IssuerUnavailable):
            await keys.key(kid(issuer))

    run(act)


# Documents that no issuer of ours would serve --------------------------------------------------


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server that may say anything, an issuer's documents to begin with."""
    made = Pages()
    yield made
    made.stop()


def discovery(pages: Pages, **changes: object) -> None:
    pages.say(DISCOVERY, {"issuer": pages.url, "jwks_uri": pages.url + KEYS} | changes)


def refuses(pages: Pages) -> None:
    async def act() -> None:
        with pytest.raises(IssuerUnavailable):
            await IssuerKeys(pages.url).key("key-1")

    run(act)


GOOD_KEY = RSAKey.generate_key(2048, {"kid": "key-1"}, private=True).as_dict(private=False)


def test_a_plain_issuer_is_believed(pages: Pages) -> None:
    discovery(pages)
    pages.say(KEYS, {"keys": [GOOD_KEY]})

    async def act() -> None:
        assert (await IssuerKeys(pages.url).key("key-1")).kid == "key-1"

    run(act)


def test_discovery_that_names_another_issuer_is_not_believed(pages: Pages) -> None:
    discovery(pages, issuer="https://gitlab.gnome.org")
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    refuses(pages)
    assert pages.requests == [DISCOVERY]


def test_keys_on_another_host_are_not_asked_for(pages: Pages, issuer: StandInGitLab) -> None:
    discovery(pages, jwks_uri=issuer.issuer + KEYS)
    refuses(pages)
    assert pages.requests == [DISCOVERY]
    assert issuer.requests == []


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "http://[",
        "//evil.example/keys",
        "http://127.0.0.1:9@{host}/x",
        "{https}/keys",
        "",
        None,
        7,
    ],
)
def test_keys_are_nowhere_but_at_the_issuers_own_origin(pages: Pages, uri: object) -> None:
    host = pages.url.removeprefix("http://")
    if isinstance(uri, str):
        uri = uri.replace("{host}", host).replace("{https}", f"https://{host}")
    discovery(pages, jwks_uri=uri)
    refuses(pages)
    assert pages.requests == [DISCOVERY]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_a_redirect_is_not_followed(pages: Pages, issuer: StandInGitLab, status: int, path: str) -> None:
    discovery(pages)
    pages.say(path, b"", status, Location=issuer.issuer + path)
    refuses(pages)
    assert issuer.requests == []


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_a_document_longer_than_256_kib_is_not_read(pages: Pages, path: str) -> None:
    discovery(pages)
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    _, body, _ = pages.answers[path]
    pages.say(path, body.ljust(256 * 1024 + 1))
    refuses(pages)


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_a_compressed_document_is_not_unpacked(pages: Pages, path: str) -> None:
    """A megabyte of packed zeros is a gigabyte."""
    discovery(pages)
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    _, body, _ = pages.answers[path]
    pages.answers[path] = (200, zlib.compress(body, wbits=31), {"Content-Encoding": "gzip"})
    refuses(pages)


def test_a_document_of_256_kib_is_read(pages: Pages) -> None:
    discovery(pages)
    pages.say(KEYS, json.dumps({"keys": [GOOD_KEY]}).encode().ljust(256 * 1024))

    async def act() -> None:
        assert (await IssuerKeys(pages.url).key("key-1")).kid == "key-1"

    run(act)


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_is_no_200_has_no_keys(pages: Pages, status: int) -> None:
    discovery(pages)
    pages.say(KEYS, b"" if status == 204 else {"keys": [GOOD_KEY]}, status)
    refuses(pages)


SHORT_MODULUS = base64.urlsafe_b64encode(b"\xc5" * 128).decode().rstrip("=")
SHORT_KEY = {"kty": "RSA", "kid": "key-1", "n": SHORT_MODULUS, "e": "AQAB"}
BAD_KEY_SETS: dict[str, object] = {
    "not-json": b"<html>",
    "not-utf8": b'{"keys": "\xff"}',
    "empty": b"",
    "list": [GOOD_KEY],
    "null": None,
    "no-keys-member": {},
    "keys-null": {"keys": None},
    "keys-object": {"keys": {"a": 1}},
    "keys-text": {"keys": "key"},
    "keys-number": {"keys": 1},
    "no-key": {"keys": []},
    "key-is-null": {"keys": [None]},
    "key-is-a-list": {"keys": [["kty", "RSA"]]},
    "only-the-kid": {"keys": [{"kid": "key-1"}]},
    "no-modulus": {"keys": [{key: value for key, value in GOOD_KEY.items() if key != "n"}]},
    "no-exponent": {"keys": [{key: value for key, value in GOOD_KEY.items() if key != "e"}]},
    "modulus-no-base64": {"keys": [GOOD_KEY | {"n": "*"}]},
    "modulus-a-number": {"keys": [GOOD_KEY | {"n": 7}]},
    "modulus-empty": {"keys": [GOOD_KEY | {"n": ""}]},
    "exponent-of-one": {"keys": [GOOD_KEY | {"e": "AQ"}]},
    "no-kid": {"keys": [{key: value for key, value in GOOD_KEY.items() if key != "kid"}]},
    "kid-a-list": {"keys": [GOOD_KEY | {"kid": ["key-1"]}]},
    "for-encryption": {"keys": [GOOD_KEY | {"use": "enc"}]},
    "other-algorithm": {"keys": [GOOD_KEY | {"alg": "RS512"}]},
    "elliptic": {"keys": [ECKey.generate_key("P-256", {"kid": "key-1"}).as_dict(private=False)]},
    "symmetric": {"keys": [OctKey.generate_key(256, {"kid": "key-1"}).as_dict(private=True)]},
    "1024-bit": {"keys": [SHORT_KEY]},
    "20000-deep": b"[" * 100_000,
    "integer-with-5000-digits": b'{"keys": ' + b"9" * 5000 + b"}",
}


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize("document", BAD_KEY_SETS.values(), ids=BAD_KEY_SETS)
def test_a_key_set_without_a_usable_key_is_the_issuers_fault(pages: Pages, document: object) -> None:
    discovery(pages)
    pages.say(KEYS, document)
    refuses(pages)


@pytest.mark.parametrize("document", [b"<html>", b"", [], "issuer", None, {}, b"[" * 100_000], ids=range(7))
def test_discovery_that_is_no_discovery_is_the_issuers_fault(pages: Pages, document: object) -> None:
    pages.say(DISCOVERY, document)
    refuses(pages)
    assert pages.requests == [DISCOVERY]


def test_keys_that_are_not_ours_to_use_do_not_hide_those_that_are(pages: Pages) -> None:
    other = ECKey.generate_key("P-256", {"kid": "other"}).as_dict(private=False)
    discovery(pages)
    pages.say(KEYS, {"keys": [other, GOOD_KEY | {"kid": "enc", "use": "enc"}, GOOD_KEY]})

    async def act() -> None:
        keys = IssuerKeys(pages.url)
        assert (await keys.key("key-1")).kid == "key-1"
        for unusable in ("other", "enc"):
            with pytest.raises(NotAuthenticated):
                await keys.key(unusable)

    run(act)
