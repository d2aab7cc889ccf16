"""The inspecting process: reads a received tarball while it grows, and says what it found.

Started by `inspector` with ``--serve`` it inspects whole files, each in a fork of its own.  Started for one file it
has one argument, JSON: the descriptor of the file, the compression, the
top directory, the limits.  Standard input tells how many bytes of the file are there (one
number a line, the last with ``end`` before it).  Standard output gets one line of JSON, then the
texts, then the listing.
"""

import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from io import BufferedIOBase, BytesIO
from typing import Any, BinaryIO

from release_service.archive import MIB, Inspection, Limits, xz
from release_service.archive.inspection import inspect
from release_service.errors import BadArchive

_PIECE_BYTES = 256 * 1024
_MESSAGE_BYTES = 64 * 1024


class Growing:
    """A file that is still being written by somebody else, who says on *news* how far it is."""

    def __init__(self, fd: int, news: BufferedIOBase, whole: Callable[[int], None]) -> None:
        """Read *fd* by position, never past what *news* has said to be there; call *whole* once with its whole size."""
        self._fd = fd
        self._news = news
        self._heard = b""
        self._when_whole = whole
        self._size = 0
        self._at = 0
        self._whole = False

    def read(self) -> bytes:
        """Return the next piece, waiting for it; b"" at the end of the whole file."""
        while self._at == self._size and not self._whole:
            self._hear()
        piece = self.read_at(self._at, min(_PIECE_BYTES, self._size - self._at))
        self._at += len(piece)
        return piece

    def read_at(self, at: int, count: int) -> bytes:
        """Return *count* bytes from the place *at*, fewer at the end."""
        return os.pread(self._fd, count, at)

    def _hear(self) -> None:
        # All that is there, not a line: the sooner the whole is known, the sooner it is judged as one.
        more = self._news.read1(64 * 1024)
        if not more:
            raise SystemExit(1)  # the upload was given up, and so are we
        *lines, self._heard = (self._heard + more).split(b"\n")
        for line in lines:
            *end, size = line.split()
            self._whole, self._size = bool(end), int(size)
        if self._whole:
            self._when_whole(self._size)


def confine(memory_bytes: int, cpu_s: int) -> None:
    """Give up the right to more memory, more CPU time, and any file that is written."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def report(found: Inspection, out: BinaryIO) -> None:
    """Write what was found: one line, then the texts and the listing one after another."""
    head = {
        "members": found.members,
        "expanded_bytes": found.expanded_bytes,
        "warnings": found.warnings,
        "texts": {name: len(text) for name, text in found.texts.items()},
    }
    out.write(json.dumps(head).encode() + b"\n")
    out.writelines(found.texts.values())
    out.write(found.listing)


def look(task: dict[str, Any], news: BufferedIOBase) -> Inspection:
    """Inspect as *task* says; raises BadArchive."""
    limits = Limits(**task["limits"])

    def prescan(size: int) -> None:
        if task["compression"] == "xz":
            xz.prescan(growing.read_at, size, limits)

    growing = Growing(task["fd"], news, prescan)
    return inspect(growing.read, task["compression"], task["top"], limits)


def main(argument: str, news: BufferedIOBase, out: BinaryIO) -> None:
    """Inspect as *argument* says; a refusal is an answer, not a failure."""
    try:
        report(look(json.loads(argument), news), out)
    except BadArchive as refusal:
        out.write(json.dumps({"rule": refusal.rule, "detail": refusal.detail}).encode() + b"\n")
    except MemoryError:
        out.write(b'{"rule": "BOMB_MEM", "detail": "Reading the archive needs more memory than allowed. [BOMB_MEM]"}\n')
    out.flush()


def serve(channel: socket.socket) -> None:
    """Inspect one whole file after another, until the other end of *channel* is closed.

    Each message is a task with two descriptors, the file's and where the answer goes; the answer to it is the status
    of the fork that did it.  An interpreter's start is paid for once, and what strangers have sent meets a new process.
    """
    while True:
        message, fds, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 2)
        if not message:
            return
        child = os.fork()
        if child == 0:
            channel.close()
            _inspect_whole(json.loads(message), *fds)
            os._exit(0)
        for fd in fds:
            os.close(fd)
        _, status = os.waitpid(child, 0)
        channel.send(b"%d" % os.waitstatus_to_exitcode(status))


def _inspect_whole(task: dict[str, Any], file: int, answer: int) -> None:
    confine(512 * MIB, cpu_s=120)
    with os.fdopen(answer, "wb") as out:
        main(json.dumps({**task, "fd": file}), BytesIO(b"end %d\n" % os.fstat(file).st_size), out)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(socket.socket(fileno=0))
    else:
        confine(512 * MIB, cpu_s=120)
        main(sys.argv[1], os.fdopen(0, "rb"), sys.stdout.buffer)
