"""An issuer's keys: fetched when needed, no more often, and from nowhere else."""

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

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


def test_unknown_keys_cause_one_fetch_and_then_none_for_a_while(issuer: StandInGitLab) -> None:
    async def act() -> None:
        keys = IssuerKeys(issuer.issuer)
        await keys.key(kid(issuer))
        for number in range(20):
            with pytest.raises(NotAuthenticated):
                await keys.key(f"unknown-{number}")
        await keys.key(kid(issuer))

    run(act)
    assert issuer.requests == [DISCOVERY, KEYS] * 2


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


class Pages:
    """A server on loopback that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages.requests.append(self.path)
                status, body, headers = pages.answers.get(self.path, (404, b"", {}))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()

    def say(self, path: str, document: object, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, body, headers)

    def discovery(self, **changes: object) -> None:
        self.say(DISCOVERY, {"issuer": self.url, "jwks_uri": self.url + KEYS} | changes)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pages() -> Iterator[Pages]:
    made = Pages()
    yield made
    made.stop()


def refuses(pages: Pages) -> None:
    async def act() -> None:
        with pytest.raises(IssuerUnavailable):
            await IssuerKeys(pages.url).key("key-1")

    run(act)


GOOD_KEY = RSAKey.generate_key(2048, {"kid": "key-1"}, private=True).as_dict(private=False)


def test_a_plain_issuer_is_believed(pages: Pages) -> None:
    pages.discovery()
    pages.say(KEYS, {"keys": [GOOD_KEY]})

    async def act() -> None:
        assert (await IssuerKeys(pages.url).key("key-1")).kid == "key-1"

    run(act)


def test_discovery_that_names_another_issuer_is_not_believed(pages: Pages) -> None:
    pages.discovery(issuer="https://gitlab.gnome.org")
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    refuses(pages)
    assert pages.requests == [DISCOVERY]


def test_keys_on_another_host_are_not_asked_for(pages: Pages, issuer: StandInGitLab) -> None:
    pages.discovery(jwks_uri=issuer.issuer + KEYS)
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
    pages.discovery(jwks_uri=uri)
    refuses(pages)
    assert pages.requests == [DISCOVERY]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_a_redirect_is_not_followed(pages: Pages, issuer: StandInGitLab, status: int, path: str) -> None:
    pages.discovery()
    pages.say(path, b"", status, Location=issuer.issuer + path)
    refuses(pages)
    assert issuer.requests == []


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_a_document_longer_than_256_kib_is_not_read(pages: Pages, path: str) -> None:
    pages.discovery()
    pages.say(KEYS, {"keys": [GOOD_KEY]})
    _, body, _ = pages.answers[path]
    pages.say(path, body.ljust(256 * 1024 + 1))
    refuses(pages)


def test_a_document_of_256_kib_is_read(pages: Pages) -> None:
    pages.discovery()
    pages.say(KEYS, json.dumps({"keys": [GOOD_KEY]}).encode().ljust(256 * 1024))

    async def act() -> None:
        assert (await IssuerKeys(pages.url).key("key-1")).kid == "key-1"

    run(act)


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_is_no_200_has_no_keys(pages: Pages, status: int) -> None:
    pages.discovery()
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
    pages.discovery()
    pages.say(KEYS, document)
    refuses(pages)


def test_keys_that_are_not_ours_to_use_do_not_hide_those_that_are(pages: Pages) -> None:
    other = ECKey.generate_key("P-256", {"kid": "other"}).as_dict(private=False)
    pages.discovery()
    pages.say(KEYS, {"keys": [other, GOOD_KEY | {"kid": "enc", "use": "enc"}, GOOD_KEY]})

    async def act() -> None:
        keys = IssuerKeys(pages.url)
        assert (await keys.key("key-1")).kid == "key-1"
        for unusable in ("other", "enc"):
            with pytest.raises(NotAuthenticated):
                await keys.key(unusable)

    run(act)
