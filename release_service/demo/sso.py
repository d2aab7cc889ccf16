"""GNOME's sign-in on this machine: nanoidp, a real OpenID provider, at a path like Keycloak's.

    python -m release_service.demo.sso --port 8001 --home DIR --web-callback http://127.0.0.1:8000/auth/callback

It is a process of its own, because nanoidp is one application for each process.  Its signing keys
are in the home directory, so stopping and starting it again there is an outage, no new issuer.
Users, each with the own name as password: alice (release team), bob (maintainer), carol (administrator).
"""

import argparse
import json
import logging
import secrets
from pathlib import Path
from typing import Any

REALM = "/realms/GNOME"
WEB_CLIENT_ID = "release-web"
WEB_CLIENT_SECRET = "web-secret-for-the-demo"  # noqa: S105 - guards nothing outside of this machine
CLI_CLIENT_ID = "release-cli"
AUDIENCE = "gnome-release-service"

GROUPS = {"alice": ["gnomecvs", "release-team"], "bob": ["gnomecvs"], "carol": ["sysadmin"]}


def issuer(port: int) -> str:
    """Return the issuer's URL when it listens on *port*."""
    return f"http://127.0.0.1:{port}{REALM}"


def configure(home: Path, port: int, web_callback: str) -> None:
    """Write nanoidp's configuration to *home*; keys that are there already stay."""
    settings: dict[str, Any] = {
        "config_version": 1,
        "security_profile": "oauth21",
        "config_validation": "strict",
        "server": {"host": "127.0.0.1", "port": port},
        "oauth": _oauth(issuer(port), web_callback),
        "device_flow": {"code_expiry_seconds": 600, "polling_interval": 1},
        "jwt": {"algorithm": "RS256", "keys_dir": str(home / "keys"), "max_previous_keys": 2},
        "session": {"secret_key": secrets.token_hex(), "enforce_password_check": True},
        "authority_prefixes": {"roles": "", "groups": "", "identity_class": "", "entitlements": ""},
    }
    users = {
        name: {"password": name, "email": f"{name}@gnome.example", "roles": ["USER"], "groups": groups}
        for name, groups in GROUPS.items()
    }
    home.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (home / "settings.yaml").write_text(json.dumps(settings))
    (home / "users.yaml").write_text(json.dumps({"config_version": 1, "users": users}))


def serve(home: Path, port: int) -> None:
    """Serve what is configured in *home*, until the process is ended."""
    from nanoidp.app import create_app  # noqa: PLC0415 - only who plays the issuer needs it
    from werkzeug.exceptions import NotFound  # noqa: PLC0415 - only who plays the issuer needs it
    from werkzeug.middleware.dispatcher import DispatcherMiddleware  # noqa: PLC0415 - only who plays the issuer needs it
    from werkzeug.serving import make_server  # noqa: PLC0415 - only who plays the issuer needs it

    # nanoidp logs user codes, and a request's line may hold an authorization code.
    logging.disable(logging.CRITICAL)
    app = create_app(config_dir=str(home))
    app.config["APPLICATION_ROOT"] = REALM
    make_server("127.0.0.1", port, DispatcherMiddleware(NotFound(), {REALM: app}), threaded=True).serve_forever()


def _oauth(url: str, web_callback: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "audience": AUDIENCE,
        "token_expiry_minutes": 5,
        "refresh_token_rotation": True,
        "require_pkce": True,
        "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        "clients": [
            {
                "client_id": WEB_CLIENT_ID,
                "client_secret": WEB_CLIENT_SECRET,
                "description": "GNOME Release Service (web)",
                "redirect_uris": [web_callback],
            },
            {
                "client_id": CLI_CLIENT_ID,
                "client_secret": "",
                "token_endpoint_auth_method": "none",
                "description": "gnome-release (command line)",
                "redirect_uris": ["http://127.0.0.1/callback"],
            },
        ],
    }


def main() -> None:
    """Run the issuer as the command line says."""
    parser = argparse.ArgumentParser(description="GNOME's sign-in, played by nanoidp on this machine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--web-callback", required=True)
    arguments = parser.parse_args()
    configure(arguments.home, arguments.port, arguments.web_callback)
    serve(arguments.home, arguments.port)


if __name__ == "__main__":
    main()
