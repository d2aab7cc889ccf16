"""A TCP proxy on loopback that does what networks do: it is slow, cuts, swallows, refuses; switched while it runs."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import components

_PIECE_BYTES = 65536
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to every connection: to `up`, what clients send, and `down`, what they are answered.

    None passes everything; a number is how many bytes still pass before the connection is cut.
    """

    delay_s: float = 0
    up: int | None = None
    down: int | None = None
    swallows: bool = False
    refuses: bool = False


PASS = Fault()
SLOW = Fault(delay_s=0.01)
BLACK_HOLE = Fault(swallows=True)
REFUSE = Fault(refuses=True)
LOSES_ANSWERS = Fault(down=0)


def cut_after(size: int) -> Fault:
    """Cut when clients have sent *size* bytes more."""
    return Fault(up=size)


class FaultProxy:
    """Passes on to *port* what comes to its own; `switch` changes that, and `when` does so at a given moment."""

    def __init__(self, port: int) -> None:
        """Listen."""
        self._target = port
        self._lock = threading.RLock()
        self._fault, self._since = PASS, 0
        self._armed: list[bytes] = []
        self._then = PASS
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._is_closed = False
        self.port = components.free_port()
        self._listen()

    def switch(self, fault: Fault) -> None:
        """Do *fault* from now on, to connections that are open, too."""
        with self._lock:
            self._fault, self._since, self._armed = fault, self._since + 1, []
            if fault.refuses:
                self._hang_up()
            elif self._listener is None and not self._is_closed:
                self._listen()

    def when(self, moments: Sequence[bytes], fault: Fault) -> None:
        """Switch to *fault* when clients have sent these texts, one after another."""
        with self._lock:
            self._armed, self._then = list(moments), fault

    @property
    def has_switched(self) -> bool:
        """Say whether what was waited for has come."""
        return not self._armed

    def close(self) -> None:
        """Cut everything."""
        with self._lock:
            self._is_closed = True
            self._hang_up()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _hang_up(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            _reset(connection)
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with self._lock:
                self._connections |= {client, server}
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_up: bool) -> None:  # noqa: FBT001 - a direction
        since, left, tail = -1, None, b""
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                tail = self._look(tail + piece) if is_up else b""
                with self._lock:
                    fault, is_new, since = self._fault, self._since != since, self._since
                if is_new:
                    left = fault.up if is_up else fault.down
                if fault.swallows:
                    self._wait_for_another(since)
                    break
                time.sleep(fault.delay_s)
                target.sendall(piece if left is None else piece[:left])
                if left is not None and (left := left - len(piece)) < 0:
                    break
        _reset(source)
        _reset(target)

    def _look(self, sent: bytes) -> bytes:
        """Switch if it is time; return what the next moment may begin in."""
        with self._lock:
            while self._armed and self._armed[0] in sent:
                sent = sent.partition(self._armed[0])[2]
                armed = self._armed[1:]
                if not armed:
                    self.switch(self._then)
                self._armed = armed
            return sent[1 - len(self._armed[0]) :] if self._armed else b""

    def _wait_for_another(self, since: int) -> None:
        while self._since == since and not self._is_closed:
            time.sleep(_POLL_S)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def fault_proxy(port: int) -> Iterator[FaultProxy]:
    """Stand before *port* of loopback."""
    proxy = FaultProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
