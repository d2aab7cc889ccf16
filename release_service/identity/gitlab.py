"""The proof by a GitLab ID token: which job of which project, for which ref.

Whether that job may publish is for `authorize` to say.  Claims are as GitLab sends them: text,
even the numbers and the booleans (CONTRACT.md 1).  ``sub`` is never parsed: a project may reorder it.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError

from release_service.errors import NotAuthenticated, TokenExpired
from release_service.identity import Uploader
from release_service.identity.keys import IssuerKeys
from release_service.identity.token import ALGORITHM, Claims, UnprovenToken, parse, text_claim, time_claim

LEEWAY_S = 30
MAX_AGE_S = 3 * 3600
MAX_LIFETIME_S = 24 * 3600

# What release.json may say of the job: public anyhow, and no mail address, no token id.
_PUBLISHED = [
    "project_id",
    "project_path",
    "namespace_id",
    "ref",
    "ref_type",
    "ref_protected",
    "sha",
    "pipeline_id",
    "pipeline_source",
    "job_id",
    "user_login",
    "ci_config_sha",
    "runner_environment",
]
# Rules hold where GitLab sends these; sent as anything but text, they must not look as if they were not.
_TEXT_IF_SENT = ("job_project_id", "user_access_level", "ci_config_ref_uri")
_LONGEST_CLAIM = 512
_LONGEST_ID = 255
_ID = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class GitLabJob(Uploader):
    """A running CI job, proven.  `claims` holds the text claims that rules are about."""

    project_id: str
    namespace_id: str
    project_path: str
    claims: Mapping[str, str]


class GitLab:
    """One GitLab instance as an issuer of ID tokens."""

    def __init__(self, issuer: str, audience: str, keys: IssuerKeys, clock: Callable[[], float] = time.time) -> None:
        """Accept tokens of *issuer* made for *audience*; *clock* gives seconds since 1970 (UTC)."""
        self.issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock

    async def prove(self, text: str) -> GitLabJob:
        """Return the job that the bearer token *text* proves.

        Raises NotAuthenticated, TokenExpired; IssuerUnavailable when the keys cannot be had.
        """
        token = parse(text)
        if token.issuer != self.issuer:
            raise NotAuthenticated("The token's issuer is not the GitLab that this service trusts.")
        self._check_audience(token)
        self._check_times(token.claims)
        key = await self._keys.key(token.key_id)
        try:
            jws.deserialize_compact(token.text, key, algorithms=[ALGORITHM], registry=_REGISTRY)
        except (JoseError, ValueError):
            raise NotAuthenticated("The token's signature is not its issuer's.") from None
        return _job(token)

    def _check_audience(self, token: UnprovenToken) -> None:
        # GitLab sends text; a list is another token's (PyPI refuses it, too).
        if token.claims.get("aud") != self._audience:
            raise NotAuthenticated(f"The token is not made for this service: its aud must be {self._audience}.")

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        issued, expires = time_claim(claims, "iat"), time_claim(claims, "exp")
        if now > expires + LEEWAY_S or now - issued > MAX_AGE_S + LEEWAY_S:
            raise TokenExpired("The token's time is over.")
        not_before = time_claim(claims, "nbf") if "nbf" in claims else issued
        if max(issued, not_before) > now + LEEWAY_S or expires - issued > MAX_LIFETIME_S:
            raise NotAuthenticated("The token's times are not those of a job that runs now.")


_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)


def _job(token: UnprovenToken) -> GitLabJob:
    claims = token.claims
    # The same GitLab signs login tokens with the same keys: those have no job (threat T3).
    required = ["project_id", "namespace_id", "project_path", "job_id", "ref", "ref_type", "pipeline_source"]
    project_id, namespace_id, project_path, *_ = [text_claim(claims, name) for name in required]
    for name in _TEXT_IF_SENT:
        if claims.get(name) is not None:
            text_claim(claims, name)
    texts = {name: value for name, value in claims.items() if isinstance(value, str)}
    if any(len(value) > _LONGEST_CLAIM or not value.isprintable() for value in texts.values()):
        raise NotAuthenticated("A claim of the token is not text as GitLab makes it.")
    if (
        not all(_ID.fullmatch(id_) for id_ in (project_id, namespace_id))
        or len(text_claim(claims, "jti")) > _LONGEST_ID
    ):
        raise NotAuthenticated("An id in the token is not one as GitLab makes it.")
    return GitLabJob(
        kind="gitlab-id-token",
        issuer=token.issuer,
        subject=f"project:{project_id}",
        login=texts.get("user_login", ""),
        token_id=text_claim(claims, "jti"),
        provenance={name: texts[name] for name in _PUBLISHED if name in texts},
        project_id=project_id,
        namespace_id=namespace_id,
        project_path=project_path,
        claims=texts,
    )
