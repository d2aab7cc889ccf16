"""A stand-in for GNOME's single sign-on: access tokens as Keycloak and as nanoidp make them."""

import time
import uuid
from typing import Any

from release_service.demo.issuer import Claims, StandInIssuer, changed
from release_service.demo.sso import AUDIENCE, CLI_CLIENT_ID, WEB_CLIENT_ID

__all__ = ["ALICE", "AUDIENCE", "CLIENTS", "StandInSso"]
CLIENTS = (CLI_CLIENT_ID, WEB_CLIENT_ID)
ALICE = "6f1c9c3e-0000-4000-8000-00000000a11c"
_LIFE_S = 300


class StandInSso(StandInIssuer):
    """A realm that signs access tokens for persons who need not exist."""

    keys_path = "/protocol/openid-connect/certs"

    def __init__(self) -> None:
        super().__init__("/realms/GNOME")

    def keycloak(self, **changes: Any) -> Claims:
        """Return what Keycloak says of alice, who signed in with the command line; an ellipsis takes a claim away."""
        now = int(time.time())
        claims = {
            "exp": now + _LIFE_S,
            "iat": now,
            "auth_time": now - 5,
            "jti": f"onrtac:{uuid.uuid4()}",
            "iss": self.issuer,
            "aud": [AUDIENCE, "account"],
            "sub": ALICE,
            "typ": "Bearer",
            "azp": CLI_CLIENT_ID,
            "sid": "d6b1c0b4-8d0c-4f5e-9a33-6b6b6a1f2a10",
            "acr": "1",
            "allowed-origins": ["https://release.example.org"],
            "realm_access": {"roles": ["offline_access", "uma_authorization"]},
            "resource_access": {"account": {"roles": ["manage-account"]}},
            "scope": "openid profile email groups",
            "email_verified": True,
            "name": "Alice Liddell",
            "groups": ["/gnomecvs", "/release-team"],
            "preferred_username": "alice",
            "email": "alice@gnome.example",
        }
        return changed(claims, changes)

    def nanoidp(self, **changes: Any) -> Claims:
        """Return what nanoidp says of alice: another kind, another name for the client, and no address."""
        now = int(time.time())
        claims = {
            "jti": uuid.uuid4().hex,
            "iss": self.issuer,
            "sub": "alice",
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + _LIFE_S,
            "roles": ["USER"],
            "tenant": "default",
            "groups": ["gnomecvs", "release-team"],
            "authorities": ["ROLE_USER"],
            "scope": "openid profile email groups offline_access",
            "client_id": CLI_CLIENT_ID,
            "token_use": "access",
        }
        return changed(claims, changes)

    def token(self, **changes: Any) -> str:
        """Return a signed access token as Keycloak makes it; *changes* are those of `keycloak`."""
        return self.sign(self.keycloak(**changes))
