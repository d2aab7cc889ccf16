"""Who sends it: a proof turned into a proven `Uploader`.

`token` is the form that every bearer token must have, `keys` the issuers' public keys, `signature`
the one place where a token is held against them.  The proofs are `gitlab` (a job's ID token),
`job_token` (a job's CI_JOB_TOKEN, by asking GitLab) and `sso` (a person's access token);
`bearer` chooses by issuer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Uploader:
    """A proven identity.  Only the modules of this package make one.

    `issuer` and `subject` name it for ever (never a display name); `login` is for people to
    read.  `token_id` is the token's jti ("" where it has none): a job's token publishes one tarball.
    `provenance` is what is published of it in release.json: no mail address, no token id.
    `expires_at` is when the token's time is over, in seconds since 1970 (UTC); None where nobody can say.
    """

    kind: str
    issuer: str
    subject: str
    login: str
    token_id: str
    provenance: Mapping[str, str]
    expires_at: int | None = field(default=None, kw_only=True)
