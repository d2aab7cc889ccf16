"""Runs inspections in processes of their own, a few at a time, also while a file still arrives."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from release_service.archive import MIB, Inspection, Limits
from release_service.errors import BadArchive, Unavailable
from release_service.tarball import TarballName

# How often a growing file is reported to its inspection: a pipe never fills with these.
_REPORT_BYTES = 4 * MIB
_WALL_S = 600
# How often who waits looks whether it is their turn.
_TURN_S = 0.02


class Inspecting:
    """One inspection on its way."""

    def __init__(self, name: TarballName, fd: int, limits: Limits, slot: threading.Semaphore) -> None:
        """Start a process on the descriptor *fd*, holding *slot* until it ends."""
        task = {"fd": fd, "compression": name.compression, "top": name.release, "limits": asdict(limits)}
        self._slot = slot
        self._told = 0
        self._over = False
        # No environment: what we know of secrets is not for a process that reads strangers' bytes.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-I", "-m", "release_service.archive", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[fd],
            env={},
        )

    def grown(self, size: int) -> None:
        """Tell that *size* bytes of the file are there."""
        if size - self._told >= _REPORT_BYTES:
            self._told = size
            self._tell(b"%d\n" % size)

    def result(self, size: int) -> Inspection:
        """Tell that the file is whole at *size* bytes; return what was found, or raise BadArchive."""
        self._tell(b"end %d\n" % size)
        try:
            answer, _ = self._process.communicate(timeout=_WALL_S)
        except subprocess.TimeoutExpired:
            raise BadArchive("BOMB_TIME", "Reading the archive takes too long.") from None
        finally:
            self.end()
        return _inspection(answer, self._process.returncode)

    def end(self) -> None:
        """Stop the process if it still runs, and let the next one begin."""
        if self._over:
            return
        self._over = True
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._slot.release()

    def _tell(self, line: bytes) -> None:
        # A process that has refused already listens no more; its answer is waiting.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), line)  # type: ignore[union-attr] # we asked for a pipe


class Inspector:
    """The few inspections that may run at once: memory and cores are bounded, not the uploads.

    Two kinds of turn: one *early* turn, for a tarball that is still arriving, and one for each
    core, for those that are whole.  A slow uploader can hold an early turn, never a later one.
    """

    def __init__(self, limits: Limits) -> None:
        """Inspect under *limits*."""
        self._limits = limits
        self._early = threading.Semaphore(1)
        self._whole = threading.Semaphore(os.cpu_count() or 1)

    def early(self, name: TarballName, fd: int) -> Inspecting | None:
        """Begin on a file that is still empty, if the early turn is free."""
        return self._begin(name, fd, self._early) if self._early.acquire(blocking=False) else None

    async def begin(self, name: TarballName, fd: int) -> Inspecting:
        """Begin on a file that is whole; waits for a turn.  (Raises: Unavailable.)

        No thread waits: the few there are write what other uploads send.
        """
        until = time.monotonic() + _WALL_S
        while not self._whole.acquire(blocking=False):
            if time.monotonic() > until:
                raise Unavailable("Too many tarballs wait to be inspected.", retry_after_s=120)
            await asyncio.sleep(_TURN_S)
        return self._begin(name, fd, self._whole)

    def _begin(self, name: TarballName, fd: int, slot: threading.Semaphore) -> Inspecting:
        with _released_on_error(slot):
            return Inspecting(name, fd, self._limits, slot)


class WholeFiles:
    """Inspects whole files, as many at once as ask: for who looks at thousands, and has no upload to wait for."""

    def __init__(self, limits: Limits) -> None:
        """Inspect under *limits*."""
        self._limits = limits
        self._idle: deque[tuple[subprocess.Popen[bytes], socket.socket]] = deque()

    def inspect(self, name: TarballName, fd: int) -> Inspection:
        """Return what the file *fd* holds.  (Raises: BadArchive, Unavailable.)"""
        task = {"compression": name.compression, "top": name.release, "limits": asdict(self._limits)}
        process, channel = self._process()
        try:
            answer, status = _ask(channel, task, fd)
        except OSError:
            status = b""
        if not status:
            _end(process, channel)
            raise Unavailable("The process that inspects archives has died.")
        self._idle.append((process, channel))
        return _inspection(answer, int(status))

    def close(self) -> None:
        """End the processes."""
        while self._idle:
            _end(*self._idle.pop())

    def _process(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-I", "-m", "release_service.archive", "--serve"]
            # No environment, as above.
            process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env={})  # noqa: S603 - our own module
        return process, ours


def _ask(channel: socket.socket, task: dict[str, Any], fd: int) -> tuple[bytes, bytes]:
    """Return what is said of the file *fd*, and the status of who said it: b"" if nobody is there any more."""
    answer, theirs = os.pipe()
    with os.fdopen(answer, "rb") as pipe:
        try:
            socket.send_fds(channel, [json.dumps(task).encode()], [fd, theirs])
        finally:
            os.close(theirs)
        return pipe.read(), channel.recv(16)


def _end(process: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
    channel.close()
    process.wait()


@contextlib.contextmanager
def _released_on_error(slot: threading.Semaphore) -> Iterator[None]:
    try:
        yield
    except BaseException:
        slot.release()
        raise


def _inspection(answer: bytes, status: int) -> Inspection:
    head, newline, rest = answer.partition(b"\n")
    if not newline:
        if status == -signal.SIGXCPU:
            raise BadArchive("BOMB_TIME", "Reading the archive takes too long.")
        if status == -signal.SIGKILL:
            raise Unavailable("The archive's inspection was killed, perhaps for want of memory.")
        raise RuntimeError(f"the inspecting process ended with status {status}")
    found = json.loads(head)
    if "rule" in found:
        raise BadArchive(found["rule"], found["detail"].removesuffix(f" [{found['rule']}]"))
    texts: dict[str, bytes] = {}
    for name, size in found["texts"].items():
        texts[name], rest = rest[:size], rest[size:]
    return Inspection(found["members"], found["expanded_bytes"], tuple(found["warnings"]), texts, rest)
