"""The two families, and how foreign text is shown."""

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
