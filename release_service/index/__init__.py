"""The indexes that readers and distributions follow: what they say is pure, writing them is `write`.

Files first, indexes last: no reader sees a version whose files are not all there (CONTRACT.md 4).
"""

from dataclasses import dataclass, field
from datetime import date

from release_service.tarball import TarballName


@dataclass(frozen=True, slots=True)
class Indexed:
    """A published release, as the indexes show it.

    `files`: {ext: size in bytes, or None where nobody asks}, the tarball among them; `day`: UTC.  `yanked` is why, if
    it is; of one that `is_quarantined` no index tells.
    """

    name: TarballName
    day: date
    files: dict[str, int | None] = field(default_factory=dict)
    yanked: str | None = None
    is_quarantined: bool = False

    @property
    def is_offered(self) -> bool:
        """Whether programs are told of it: they take the newest of these."""
        return self.yanked is None and not self.is_quarantined
