"""Send one tarball, and send it again when the service was not there: the same bytes are always right."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

_PIECE_BYTES = 256 * 1024
_TRIES = 4
_LONGEST_WAIT_S = 60
_TIMEOUT = httpx2.Timeout(30, read=900)  # the service answers when the release stands in the tree

Sent = Callable[[int], None]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service has said: HTTP status (0: it could not be reached), JSON body, when to ask again (0: unsaid)."""

    status: int
    body: dict[str, Any]
    retry_after_s: int = 0

    @property
    def is_published(self) -> bool:
        """Say whether the release stands."""
        return self.status in {httpx2.codes.OK, httpx2.codes.CREATED}

    @property
    def is_worth_retrying(self) -> bool:
        """Say whether the same bytes may be right later: the service, or the way to it, was down."""
        return self.status == 0 or self.status >= httpx2.codes.INTERNAL_SERVER_ERROR


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of the file, 32 bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def upload(server: str, token: str, path: Path, progress: Sent, tell: Tell) -> Answer:
    """Send *path* to *server*; *progress* hears the bytes sent so far, *tell* why it is tried again."""
    sha256 = sha256_of(path)
    digest = base64.b64encode(sha256).decode("ascii")
    headers = {
        "Authorization": f"Bearer {token}",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Length": str(path.stat().st_size),
        "Accept": "application/json",
    }
    url = f"{server.rstrip('/')}/api/v1/tarballs/{quote(path.name, safe='+')}"
    with httpx2.Client(timeout=_TIMEOUT) as http:
        for attempt in range(1, _TRIES + 1):
            answer = _send(http, url, headers, path, sha256.hex(), progress)
            if attempt == _TRIES or not answer.is_worth_retrying:
                break
            wait_s = min(answer.retry_after_s or 2**attempt, _LONGEST_WAIT_S)
            tell(f"{_reason(answer)}; trying again in {wait_s} s ({attempt} of {_TRIES - 1})")
            time.sleep(wait_s)
    return answer


def _send(http: httpx2.Client, url: str, headers: dict[str, str], path: Path, sha256: str, progress: Sent) -> Answer:
    try:
        answer = http.put(url, headers=headers, content=_pieces(path, progress))
    except httpx2.TransportError as error:
        return Answer(0, {"title": "The service cannot be reached", "detail": type(error).__name__})
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or (answer.is_success and body.get("sha256") != sha256):
        # A proxy, a sign-in page: whatever it is, it is not our service that says "published".
        return Answer(0, {"title": f"Something other than the release service answered ({answer.status_code})"})
    after = answer.headers.get("retry-after", "")
    return Answer(answer.status_code, body, int(after) if after.isascii() and after.isdigit() else 0)


def _pieces(path: Path, progress: Sent) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
            sent += len(piece)
            progress(sent)


def _reason(answer: Answer) -> str:
    return str(answer.body.get("title", f"The service answered {answer.status}"))
