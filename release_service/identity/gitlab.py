"""The proof by a GitLab ID token: which job of which project, for which ref.

Whether that job may publish is for `authorize` to say.  Claims are as GitLab sends them: text,
even the numbers and the booleans (CONTRACT.md 1).  ``sub`` is never parsed: a project may reorder it.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from release_service.errors import NotAuthenticated
from release_service.identity import Uploader
from release_service.identity.keys import IssuerKeys
from release_service.identity.signature import check_signature
from release_service.identity.token import UnprovenToken, check_times, short_text_claim, text_claim, time_claim

MAX_AGE_S = 3 * 3600

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
# Rules ask about these, or people read them, where GitLab sends them; sent as anything but text, they must not
# look as if they were not sent.  (ref_protected is obligatory in `authorize`: left out, it is not "true".)
_TEXT_IF_SENT = (
    *(name for name in _PUBLISHED if name != "ref_protected"),
    "namespace_path",
    "job_project_id",
    "job_project_path",
    "job_namespace_id",
    "job_namespace_path",
    "user_access_level",
    "ref_path",
    "ci_config_ref_uri",
)
# The same GitLab signs login tokens with the same keys: those have no job (threat T3).
_OF_A_JOB = ("project_id", "namespace_id", "project_path", "job_id", "ref", "ref_type", "pipeline_source")
_IDS = ("project_id", "namespace_id", "job_id")
_ID = re.compile(r"[0-9]{1,20}")
_LONGEST_CLAIM = 512


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

    async def prove(self, token: UnprovenToken) -> GitLabJob:
        """Return the job that *token* proves.

        Raises NotAuthenticated, TokenExpired; IssuerUnavailable when the keys cannot be had.
        """
        if token.issuer != self.issuer:
            raise NotAuthenticated("The token's issuer is not the GitLab that this service trusts.")
        # GitLab sends text; a list is another token's (PyPI refuses it, too).
        if token.claims.get("aud") != self._audience:
            raise NotAuthenticated(f"The token is not made for this service: its aud must be {self._audience}.")
        check_times(token.claims, self._clock(), MAX_AGE_S)
        await check_signature(token, self._keys)
        for name in _TEXT_IF_SENT:
            if token.claims.get(name) is not None:
                text_claim(token.claims, name)
        texts = {name: value for name, value in token.claims.items() if isinstance(value, str)}
        job = job_of("gitlab-id-token", token.issuer, short_text_claim(token.claims, "jti"), texts)
        return replace(job, expires_at=time_claim(token.claims, "exp"))


def job_of(kind: str, issuer: str, token_id: str, claims: Mapping[str, str]) -> GitLabJob:
    """Return the job that *claims* tell of, as a proof of *kind*; raises NotAuthenticated if they tell of none.

    Only the proofs of this package call it: *claims* are proven.
    """
    for name in _OF_A_JOB:
        text_claim(claims, name)
    if any(len(value) > _LONGEST_CLAIM or not value.isprintable() for value in claims.values()):
        raise NotAuthenticated("A claim of the token is not text as GitLab makes it.")
    if not all(_ID.fullmatch(claims[name]) for name in _IDS):
        raise NotAuthenticated("An id in the token is not one as GitLab makes it.")
    return GitLabJob(
        kind=kind,
        issuer=issuer,
        subject=f"project:{claims['project_id']}",
        login=claims.get("user_login", ""),
        token_id=token_id,
        provenance={name: claims[name] for name in _PUBLISHED if name in claims},
        project_id=claims["project_id"],
        namespace_id=claims["namespace_id"],
        project_path=claims["project_path"],
        claims=claims,
    )
