"""placeholder until the cdn slice is merged."""

from collections.abc import Collection
from typing import Protocol


class Purges(Protocol):
    def purge_keys(self, keys: Collection[str]) -> None: ...
    def purge_paths(self, keys: Collection[str]) -> None: ...


class Front(Protocol):
    def digest(self, key: str) -> tuple[int, str] | None: ...
    def read(self, key: str) -> bytes | None: ...
