"""The archive inside a tarball: is it one that a reader may unpack without fear?

`compression` and `tar` read, `rules` judge, `inspection` is the pass over both.  The pass runs in a
process of its own (``python -m release_service.archive``, started by `inspector`), which has a
descriptor on the received file and nothing else: no network use, no database, capped memory and
time.  Nothing is ever extracted.
"""

from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may ask of whoever reads it.  Sizes in bytes."""

    expanded_bytes: int = 3 * 1024 * MIB
    ratio: int = 200
    ratio_from_bytes: int = 128 * MIB
    members: int = 100_000
    path_bytes: int = 1024
    path_depth: int = 64
    header_bytes: int = 64 * 1024
    trailing_bytes: int = 10_240
    header_records: int = 1_000_000
    names_bytes: int = 16 * MIB
    mtime_ahead_s: int = 366 * 24 * 3600
    streams: int = 100_000
    decoder_memory_bytes: int = 97 * MIB
    text_bytes: int = 8 * MIB


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass over a good archive found.

    `members`: how many; `expanded_bytes`: of the whole archive; `warnings`: sentences;
    `texts`: the content of NEWS and ChangeLog, where the archive has them; `listing`: a line for each
    file and link, in the archive's order (`inspection.line`).
    """

    members: int
    expanded_bytes: int
    warnings: tuple[str, ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    listing: bytes = b""
