"""The token that a CI job has in its environment."""

import base64
import json
from collections.abc import Mapping

from release_service.client import Exit, Failure

AUDIENCE = "gnome-release-service"

# A job names its own: id_tokens: { GNOME_RELEASE_TOKEN: { aud: gnome-release-service } }.
TOKEN_ENV = "GNOME_RELEASE_TOKEN"  # noqa: S105 - the variable's name


def token_in(environment: Mapping[str, str], named: str | None = None) -> str | None:
    """Return the job's token, None outside of CI.

    It is in the variable *named*; else in $GNOME_RELEASE_TOKEN; else, in a GitLab job, in whichever
    variable holds an ID token that is meant for the release service.  Raises Failure when the
    variable named holds none, and in a GitLab job without any.
    """
    if named or environment.get(TOKEN_ENV, "").strip():
        return _from(environment, named or TOKEN_ENV)
    if not environment.get("GITLAB_CI"):
        return None
    meant_for_us = sorted(name for name, value in environment.items() if _is_meant_for_us(value))
    if not meant_for_us:
        raise _missing(TOKEN_ENV)
    return _from(environment, meant_for_us[0])


def _from(environment: Mapping[str, str], name: str) -> str:
    token = environment.get(name, "").strip()
    if not token:
        raise _missing(name)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Failure(Exit.NO_TOKEN, f"What ${name} holds is not a token.", _how(name))
    return token


def _missing(name: str) -> Failure:
    return Failure(Exit.NO_TOKEN, f"There is no token in ${name}.", _how(name))


def _how(name: str) -> str:
    return f"In .gitlab-ci.yml, give the job  id_tokens: {{ {name}: {{ aud: {AUDIENCE} }} }}"


def _is_meant_for_us(value: str) -> bool:
    """Say whether *value* is a JWT for the release service.  Nothing is verified: the service does that."""
    parts = value.strip().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return False
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return False
    audience = payload.get("aud") if isinstance(payload, dict) else None
    return audience == AUDIENCE or (isinstance(audience, list) and AUDIENCE in audience)
