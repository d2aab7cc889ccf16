"""The checksums that an old tree publishes: .sha256sum and .md5sum of a release, .md5 and .sha256sum of one file.

They are wider than what the service writes (`checksum`): with a ``*`` before the name, with ``./``, with the digest
alone in a file that is named after the one it is of.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from release_service.importing.problems import Kind, Problem

# All lines of all such files; they are read into memory.
LONGEST_BYTES = 1024 * 1024
_ENDINGS = {".sha256sum": "sha256", ".sha256": "sha256", ".md5sum": "md5", ".md5": "md5"}
_LETTERS = {"sha256": 64, "md5": 32}
_LINE = re.compile(r"([0-9A-Fa-f]+)(?: [ *]?(?:\./)?([^/\s]+))?\s*")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a checksum file says of a file: `algorithm` is sha256 or md5; `by` the checksum file's path."""

    algorithm: str
    digest: str
    by: str


Claims = dict[str, list[Claim]]


def is_sums(path: str) -> bool:
    """Say whether *path* is called like a checksum file."""
    return any(path.endswith(ending) for ending in _ENDINGS)


def read(module: str, path: str, content: bytes, there: Collection[str]) -> tuple[Claims, list[Problem]]:
    """Return what the checksum file *path* of *module* says of the files *there*, and what is wrong with it."""
    algorithm = next(kind for ending, kind in _ENDINGS.items() if path.endswith(ending))
    directory = path.rpartition("/")[0]
    claims: Claims = {}
    problems: list[Problem] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None or len(found[1]) != _LETTERS[algorithm]:
            if line.strip():
                problems.append(Problem(Kind.BAD_CHECKSUM_LINE, f"{module}/{path}", f"line {number}: {line[:80]}"))
            continue
        base = found[2] or path.rpartition("/")[2].rpartition(".")[0]
        of = f"{directory}/{base}" if directory else base
        if of not in there:
            problems.append(Problem(Kind.NOT_THERE, f"{module}/{of}", f"{path} names it"))
        claims.setdefault(of, []).append(Claim(algorithm, found[1].lower(), path))
    return claims, problems
