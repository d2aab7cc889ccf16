"""The tree of everything that can go wrong.

Two families: `Refused` is the uploader's to mend and has a stable code; `Unavailable` is ours,
and asking again later is right.  Anything else is a bug and stays one.
Nothing here knows HTTP: `web/errors.py` turns these into answers.
"""

from typing import ClassVar


def shown(text: object, limit: int = 120) -> str:
    """Return a foreign string as it may be shown: printable ASCII, at most *limit* characters.

    Whatever is not printable ASCII is escaped, so that no member name, claim or file name can
    move a terminal's cursor or start a line of its own in a log.
    """
    escaped = str(text).encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


class Refused(Exception):
    """The uploader's request is refused, and the uploader can mend it."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request is refused"
    remedy: ClassVar[str] = "Mend what is named above and send it again."

    def __init__(self, detail: str, *, remedy: str | None = None) -> None:
        """Keep *detail* (why, in a sentence) and *remedy* (what to do next, in a sentence)."""
        super().__init__(detail)
        self.detail = detail
        self.next_step = remedy or self.remedy


class Unavailable(Exception):
    """A part of ours is down: nothing is lost, and the same request is right again later."""

    code = "unavailable"
    title = "The release service cannot finish this now"
    remedy = "Send the same bytes again in a minute; nothing is lost and nothing is published twice."

    def __init__(self, detail: str, *, retry_after_s: int = 30) -> None:
        """Keep *detail*; *retry_after_s* (seconds) becomes the Retry-After header."""
        super().__init__(detail)
        self.detail = detail
        self.next_step = self.remedy
        self.retry_after_s = retry_after_s


class OutOfSpace(Unavailable):
    """The disk that tarballs are received on is full."""

    code = "out_of_space"


# Who sends it -------------------------------------------------------------------------------


class NotAuthenticated(Refused):
    """No token, or one that proves nothing."""

    code = "not_authenticated"
    title = "The token is missing or not valid"
    remedy = "In GitLab CI, ask for a fresh one in the job: id_tokens: {NAME: {aud: gnome-release-service}}."


class TokenExpired(NotAuthenticated):
    """The token was good once."""

    code = "token_expired"
    title = "The token has expired"
    remedy = "Retry the job: GitLab gives each job a fresh token."


class NotAuthorized(Refused):
    """Known, but may not do this."""

    code = "not_authorized"
    title = "You may not publish this module"
    remedy = "Ask the release team to register your project for this module."


class TagNotProtected(NotAuthorized):
    """The job's ref is not a protected tag (CONTRACT.md 1: the one rule known to be enforced)."""

    code = "tag_not_protected"
    title = "The job does not run for a protected tag"
    remedy = "Protect the tags: Settings > Repository > Protected tags, pattern *.*; then push the tag again."


class TagSaysOtherVersion(NotAuthorized):
    """The tag and the file name disagree."""

    code = "tag_says_other_version"
    title = "The tag does not say this version"
    remedy = "Tag the commit with the version that the tarball carries, and let its pipeline upload it."


class ProjectMoved(NotAuthorized):
    """The ids or the path of the project are not the ones that were pinned."""

    code = "project_not_pinned"
    title = "The module is pinned to another project"


class TokenAlreadyUsed(NotAuthorized):
    """One token publishes one tarball."""

    code = "token_already_used"
    title = "This token has published something else already"
    remedy = "Use one CI job for each tarball: every job has a token of its own."


# What it is called --------------------------------------------------------------------------


class BadTarballName(Refused):
    """The file name does not say module, version and compression."""

    code = "bad_tarball_name"
    title = "The file's name is not accepted"
    remedy = "Name it <module>-<version>.tar.xz, for example gnome-shell-48.1.tar.xz or gtk-4.18.1.tar.xz."


class CompressionNotAccepted(Refused):
    """A tarball, but in a compression that is not enabled here."""

    code = "compression_not_accepted"
    title = "This compression is not accepted"
    remedy = "Make a .tar.xz (meson dist makes one) and upload that."


class CaseTwin(BadTarballName):
    """The name differs from a registered module in upper and lower case only."""

    code = "case_twin"
    title = "A module of this name in other letters exists"
    remedy = "Use the registered spelling."


# What arrives -------------------------------------------------------------------------------


class BadUpload(Refused):
    """The request's form is not the one that is documented."""

    code = "bad_upload"
    title = "The upload is not in the expected form"
    remedy = "Send exactly one file: curl -F tarball=@NAME.tar.xz, or PUT /api/v1/tarballs/NAME.tar.xz."


class UnsupportedMediaType(BadUpload):
    """POST without multipart/form-data."""

    code = "unsupported_media_type"
    title = "The request's content type is not accepted"


class SignatureNotAccepted(BadUpload):
    """A signature came along, and this service cannot verify it yet."""

    code = "signature_not_accepted"
    title = "Signatures are not accepted yet"
    remedy = "Send the tarball without its signature."


class UploadCutOff(Refused):
    """The body ended early."""

    code = "upload_cut_off"
    title = "The upload ended before it was complete"
    remedy = "Send it again; nothing of it was kept."


class UploadTooSlow(Refused):
    """The body came slower than the minimum rate, or longer than the deadline."""

    code = "upload_too_slow"
    title = "The upload is too slow"
    remedy = "Send it again from a faster connection; nothing of it was kept."


class TooLarge(Refused):
    """The body, a header or a part is longer than its cap."""

    code = "too_large"
    title = "The upload is too large"
    remedy = "Make the tarball smaller, or ask the release team to raise the limit."


class DigestMismatch(Refused):
    """What arrived is not what the sender says to have sent."""

    code = "digest_mismatch"
    title = "The bytes that arrived have another SHA-256 than you said"
    remedy = "Send it again; if it happens twice, make the checksum of the file that you send."


# What is in it ------------------------------------------------------------------------------


class BadArchive(Refused):
    """The tarball breaks a rule; `rule` is its class, for example TOPDIR."""

    code = "bad_archive"
    title = "The tarball is refused"
    remedy = "Make the tarball with meson dist (or git archive), and upload that."

    def __init__(self, rule: str, detail: str) -> None:
        """Keep the class of the *rule*, upper case, beside the sentence that names the offender."""
        super().__init__(f"{detail} [{rule}]")
        self.rule = rule


# What is there already ----------------------------------------------------------------------


class VersionTaken(Refused):
    """The version exists with other bytes."""

    code = "version_taken"
    title = "This version exists already, with other bytes"
    remedy = "A published version never changes: use a new version number."


class NotFound(Refused):
    """Nothing of this name is here."""

    code = "not_found"
    title = "There is nothing here"
    remedy = "Look at /sources/ for what is published."


# Ours ---------------------------------------------------------------------------------------


class IssuerUnavailable(Unavailable):
    """The issuer's keys cannot be had, so nobody can be told from anybody."""

    code = "issuer_unavailable"
    title = "The token cannot be checked now"


class StoreUnavailable(Unavailable):
    """The store (S3 or the disk) does not answer."""

    code = "store_unavailable"
    title = "The storage cannot be reached now"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"
    title = "The database cannot be reached now"


class AlreadyStored(Unavailable):
    """The store holds other bytes under this key: an alarm, never overwritten."""

    code = "store_conflict"
    title = "The storage holds something else under this name"
    remedy = "Tell the release team; an administrator has to look at it."

    def __init__(self, key: str) -> None:
        """Name the *key*."""
        super().__init__(f"{key} exists with other bytes than the database has claimed it for.", retry_after_s=600)


class IndexWouldShrink(Unavailable):
    """The index lists versions that the database does not know: a restored copy, or a bug.

    Never answered by writing the shorter index (finding 10, invariant I9).
    """

    code = "index_would_shrink"
    title = "The module's index is not written"
    remedy = "The tarball is safe. Tell the release team; an administrator has to look at it."

    def __init__(self, detail: str) -> None:
        """Name the module and the versions in *detail*."""
        super().__init__(detail, retry_after_s=600)


class Changed(Exception):
    """A conditional replacement lost: somebody else wrote the document in between."""
