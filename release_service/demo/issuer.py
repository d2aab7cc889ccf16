"""A stand-in for an OpenID provider: keys, their discovery, and signatures of whatever claims.  Loopback only."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

Claims = dict[str, Any]


def changed(claims: Claims, changes: Claims) -> Claims:
    """Return *claims* with *changes*; an ellipsis (...) takes a claim away."""
    return {name: value for name, value in (claims | changes).items() if value is not ...}


_POLL_S = 0.01  # how long stopping takes


class StandInIssuer:
    """An issuer with one key, its discovery document and its key set; it signs what it is told to."""

    keys_path = "/oauth/discovery/keys"

    def __init__(self, path: str = "") -> None:
        """Listen on a free loopback port at once; the issuer is its address and *path*, as a Keycloak realm has one."""
        self.keys = [_key()]
        self.requests: list[str] = []
        self.is_down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}{path}"
        self._path = path
        threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one stays known."""
        self.keys = [_key(), *self.keys[:1]]

    def sign(self, claims: Claims, key: RSAKey | None = None, /, **header: Any) -> str:
        """Return a token that says *claims*, signed with the newest key or with *key*; *header* is added."""
        key = key or self.keys[0]
        said = {"alg": "RS256", "typ": "JWT", "kid": self.keys[0].kid} | header
        # Not strict: tests sign headers that no library would.
        registry = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
        return jws.serialize_compact(said, json.dumps(claims), key, registry=registry)

    def answer(self, path: str, _headers: Mapping[str, str]) -> tuple[int, object]:
        """Return the status and the document that a GET of *path* is answered with."""
        if path == f"{self._path}/.well-known/openid-configuration":
            return 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}{self.keys_path}"}
        if path == f"{self._path}{self.keys_path}":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        return 404, {"error": "404 Not Found"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.requests.append(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, document = (502, None) if stand_in.is_down else stand_in.answer(self.path, headers)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _key() -> RSAKey:
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, private=True)
    key.ensure_kid()
    return key
