"""Bytes that arrive in pieces of any length, taken by count."""

from collections.abc import Iterator

from release_service.errors import BadArchive


class Pieces:
    """What an iterator of pieces holds, once, from its beginning; raises BadArchive (EOF) where it ends too early."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Take from *pieces*; an empty one ends them."""
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def slices(self, count: int) -> Iterator[memoryview]:
        """Yield exactly *count* bytes, without copying them."""
        while count:
            if self._at == len(self._piece):
                self._next()
            part = memoryview(self._piece)[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            yield part

    def take(self, count: int) -> bytes:
        """Return exactly *count* bytes."""
        end = self._at + count
        if end <= len(self._piece):
            taken = self._piece[self._at : end]
            self._at = end
            return taken
        return b"".join(self.slices(count))

    def skip(self, count: int) -> None:
        """Pass over *count* bytes without copying them."""
        here = len(self._piece) - self._at
        while count > here:
            count -= here
            self._next()
            here = len(self._piece)
        self._at += count

    def rest(self) -> Iterator[bytes]:
        """Yield all that is left."""
        yield self._piece[self._at :]
        yield from self._pieces

    def _next(self) -> None:
        self._piece, self._at = next(self._pieces, b""), 0
        if not self._piece:
            raise BadArchive("EOF", "The archive ends too early.")
