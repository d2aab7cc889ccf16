"""Stream one tarball into a private file: capped, timed, hashed as it comes.

Nothing here knows a web framework: headers and an iterator of bytes come in.  The file has no
name (O_TMPFILE), so whatever is cut off, refused or killed leaves nothing to sweep up.
"""

import asyncio
import contextlib
import errno
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from release_service.archive import Inspection
from release_service.archive.inspector import Inspecting, Inspector
from release_service.errors import DigestMismatch, OutOfSpace, StoreUnavailable, TooLarge, UploadCutOff, UploadTooSlow
from release_service.tarball import TarballName

# Hashing and writing go to a thread in pieces of this size, while the next piece arrives.
_PIECE_BYTES = 1024 * 1024


class Body(Protocol):
    """A request body that carries one tarball: `multipart.Form` or `raw.RawBody`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the tarball's bytes, then take what follows them in the body."""
        ...

    @property
    def signature(self) -> bytes | None:
        """The detached signature that came along, as it was sent; complete after `chunks`."""
        ...

    @property
    def said(self) -> list[str]:
        """What the sender says the SHA-256 is (64 hex letters each); complete after `chunks`."""
        ...


@dataclass(frozen=True, slots=True)
class ReceiveLimits:
    """What an upload may cost us.  Sizes in bytes, times in seconds, rates in bytes a second."""

    max_tarball_bytes: int
    upload_timeout_s: float
    idle_timeout_s: float
    min_rate_bytes_per_s: int
    rate_grace_s: float


@dataclass(frozen=True, slots=True)
class ReceivedTarball:
    """The whole tarball of an upload, in a private file that has no name.

    `file` is read by position only (os.pread): several readers share its descriptor.
    `size` in bytes, `sha256` 64 hex letters, both of exactly the bytes in `file`; `signature` as it was sent with it.
    """

    name: TarballName
    file: BinaryIO
    size: int
    sha256: str
    inspecting: Inspecting
    signature: bytes | None = None

    def inspection(self) -> Inspection:
        """Return what is in it, waiting for that; raises BadArchive."""
        return self.inspecting.result(self.size)


@contextlib.asynccontextmanager
async def receive(
    name: TarballName, body: Body, limits: ReceiveLimits, staging: Path, inspector: Inspector
) -> AsyncIterator[ReceivedTarball]:
    """Receive *body* into *staging*; the file and its inspection end with the context.

    Raises TooLarge, UploadTooSlow, UploadCutOff, DigestMismatch, OutOfSpace.
    """
    with contextlib.ExitStack() as ending:
        file = ending.enter_context(private_file(staging))
        inspecting = inspector.early(name, file.fileno())
        if inspecting is not None:
            ending.callback(inspecting.end)
        writer = _Writer(file, inspecting)
        await writer.write_all(_capped(body.chunks(), limits.max_tarball_bytes))
        _compare(writer.sha256, body.said)
        if inspecting is None:
            inspecting = await inspector.begin(name, file.fileno())
            ending.callback(inspecting.end)
        yield ReceivedTarball(name, file, writer.size, writer.sha256, inspecting, body.signature)


def private_file(staging: Path) -> BinaryIO:
    """Return a new file in *staging* that has no name: whatever happens, nothing of it stays."""
    with outages():
        staging.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=staging, buffering=0)


@contextlib.contextmanager
def outages() -> Iterator[None]:
    """Turn the failures of the disk that uploads are received on into our words."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise OutOfSpace("The disk that uploads are received on is full.", retry_after_s=300) from None
        raise StoreUnavailable(f"Uploads cannot be received: {error.strerror}.") from error


class _Writer:
    """Writes and hashes in a thread, one piece behind what arrives."""

    def __init__(self, file: BinaryIO, inspecting: Inspecting | None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._inspecting = inspecting
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write_all(self, chunks: AsyncIterator[bytes]) -> None:
        writing: asyncio.Future[None] | None = None
        try:
            async for piece in _pieces(chunks):
                if writing is not None:
                    await asyncio.shield(writing)
                writing = asyncio.get_running_loop().run_in_executor(None, self._write, piece)
            if writing is not None:
                await asyncio.shield(writing)
        finally:
            if writing is not None:
                await ended(writing)
                writing.exception()  # raised above, or hidden by what came before it

    def _write(self, piece: bytes) -> None:
        with outages():
            rest = memoryview(piece)
            while rest:  # a disk that fills up takes a part without a word
                rest = rest[self._file.write(rest) :]
        self._digest.update(piece)
        self.size += len(piece)
        if self._inspecting is not None:
            self._inspecting.grown(self.size)


async def ended(future: asyncio.Future[Any]) -> None:
    """Return when *future*, a thread's, is done, and not before, however often we are cancelled.

    The thread uses a descriptor of ours: closed too early, its number becomes another upload's, and
    those bytes would be published under this name.  The cancellation is raised again afterwards.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


async def _capped(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        refuse_too_large(size, max_bytes)
        yield chunk


def refuse_too_large(size: int, max_bytes: int) -> None:
    """Raise TooLarge if a tarball of (at least) *size* bytes is longer than *max_bytes*."""
    if size > max_bytes:
        raise TooLarge(f"A tarball may have {max_bytes} bytes; this one has more.")


async def timed(stream: AsyncIterator[bytes], limits: ReceiveLimits, max_bytes: int) -> AsyncIterator[bytes]:
    """Pass a request's body on while it comes fast enough and has at most *max_bytes*.

    Raises UploadTooSlow, TooLarge: a body need not say how long it is.
    """
    began = time.monotonic()
    size = 0
    while True:
        try:
            async with asyncio.timeout(limits.idle_timeout_s):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadTooSlow(f"Nothing came for {limits.idle_timeout_s:.0f} seconds.") from None
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"A request may have {max_bytes} bytes; this one has more.")
        elapsed = time.monotonic() - began
        if elapsed > limits.upload_timeout_s:
            raise UploadTooSlow(f"An upload may take {limits.upload_timeout_s:.0f} seconds.")
        if elapsed > limits.rate_grace_s and size < limits.min_rate_bytes_per_s * elapsed:
            raise UploadTooSlow(f"It comes slower than {limits.min_rate_bytes_per_s} bytes a second.")
        yield chunk


def _compare(sha256: str, said: list[str]) -> None:
    for other in said:
        if other != sha256:
            raise DigestMismatch(f"Received: {sha256}. You said: {other}.")


async def until_cut_off(stream: AsyncIterator[bytes], disconnect: type[Exception]) -> AsyncIterator[bytes]:
    """Pass *stream* on; its own *disconnect* becomes UploadCutOff."""
    try:
        async for chunk in stream:
            if chunk:
                yield chunk
    except disconnect:
        raise UploadCutOff("The connection was closed before the whole body had come.") from None
