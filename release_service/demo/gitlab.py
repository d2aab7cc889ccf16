"""A stand-in for gitlab.gnome.org that signs ID tokens with GitLab's claims.  Loopback only."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

_HOUR_S = 3600


class StandInGitLab:
    """An issuer with one key, its discovery document and its key set."""

    def __init__(self) -> None:
        """Listen on a free loopback port at once."""
        self.keys = [_key()]
        self.requests: list[str] = []
        self.is_down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one stays known."""
        self.keys = [_key(), *self.keys[:1]]

    def claims(self, project: str, tag: str, **changes: Any) -> dict[str, Any]:
        """Return what GitLab says of a job of *project* for the protected tag *tag*; *changes* replace claims."""
        now = int(time.time())
        namespace = project.rpartition("/")[0]
        project_id = changes.get("project_id", "1665")
        return {
            "iss": self.issuer,
            "aud": "gnome-release-service",
            "sub": f"project_path:{project}:ref_type:tag:ref:{tag}",
            "iat": now,
            "nbf": now - 5,
            "exp": now + _HOUR_S,
            "jti": str(uuid.uuid4()),
            "namespace_id": "8",
            "namespace_path": namespace,
            "project_id": project_id,
            "project_path": project,
            "project_visibility": "public",
            "job_project_id": project_id,
            "job_project_path": project,
            "user_id": "42",
            "user_login": "mclasen",
            "user_email": "mclasen@gnome.example",
            "user_access_level": "maintainer",
            "pipeline_id": "1212",
            "pipeline_source": "push",
            "job_id": "4711",
            "ref": tag,
            "ref_type": "tag",
            "ref_path": f"refs/tags/{tag}",
            "ref_protected": "true",
            "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
            "runner_id": 1,
            "runner_environment": "self-hosted",
            "ci_config_ref_uri": f"gitlab.gnome.org/{project}//.gitlab-ci.yml@refs/tags/{tag}",
            "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        } | changes

    def token(self, project: str, tag: str, **changes: Any) -> str:
        """Return a signed ID token; the arguments are those of `claims`."""
        key = self.keys[0]
        header = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
        return jwt.encode(header, self.claims(project, tag, **changes), key)

    def _document(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/oauth/discovery/keys"}
        if path == "/oauth/discovery/keys":
            return {"keys": [key.as_dict(private=False) for key in self.keys]}
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.requests.append(self.path)
                document = stand_in._document(self.path)
                status = 502 if stand_in.is_down else 200 if document else 404
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
