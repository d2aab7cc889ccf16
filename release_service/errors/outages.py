"""Parts of ours that are down, or hold what they should not: asking again later is right."""

from release_service.errors.base import Unavailable


class OutOfSpace(Unavailable):
    """The disk that tarballs are received on, or the tree's, is full."""

    code = "out_of_space"
    title = "The release service has no room left now"
    remedy = "Nothing is lost: send the same bytes again later; an administrator has to make room."


class IssuerUnavailable(Unavailable):
    """The issuer's keys cannot be had, so nobody can be told from anybody."""

    code = "issuer_unavailable"
    title = "GitLab, or the single sign-on, cannot be asked now"


class SwitchedOff(Unavailable):
    """An administrator has switched this off, for a while."""

    code = "switched_off"
    title = "This is switched off for now"
    remedy = "Nothing is lost: ask again later; the release team says when it is on again."

    def __init__(self, detail: str) -> None:
        """Say in *detail* what is switched off, and why."""
        super().__init__(detail, retry_after_s=600)


class Stopping(Unavailable):
    """The replica was told to stop while it was at it."""

    code = "stopping"
    title = "The release service restarts now"

    def __init__(self, detail: str) -> None:
        """Say in *detail* what was cut short."""
        super().__init__(detail, retry_after_s=5)


class StoreUnavailable(Unavailable):
    """The store (S3 or the disk) does not answer."""

    code = "store_unavailable"
    title = "The storage cannot be reached now"


class CdnUnavailable(Unavailable):
    """The CDN does not do, or does not confirm, what it was asked for."""

    code = "cdn_unavailable"
    title = "The CDN cannot be reached now"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        """Keep *detail*; *retry_after_s* (seconds) is what the CDN asks for, if it does."""
        super().__init__(detail, retry_after_s=retry_after_s)


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"
    title = "The database cannot be reached now"


class SourceUnavailable(Unavailable):
    """The old tree that is imported does not answer."""

    code = "source_unavailable"
    title = "The tree to import cannot be read"
    remedy = "Nothing is lost: the next run goes on where this one ended."


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
