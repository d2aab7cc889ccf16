"""Send one tarball, and send it again when the service was not there: the same bytes are always right."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2

from release_service.client.service import Answer, impostor, read, unreachable

_PIECE_BYTES = 256 * 1024
_TRIES = 4
_LONGEST_WAIT_S = 60
_TIMEOUT = httpx2.Timeout(30, read=900)  # the service answers when the release stands in the tree

Token = Callable[[], str]
Sent = Callable[[int], None]
Tell = Callable[[str], None]


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of the file, 32 bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def upload(
    server: str, token: Token, path: Path, progress: Sent, tell: Tell, *, signature: bytes | None = None
) -> Answer:
    """Send *path*, and the *signature* over it, to *server*.

    *progress* hears the bytes sent so far, *tell* why it is tried again.
    *token* is asked before each try: a token that was good minutes ago may be over.
    """
    sha256 = sha256_of(path)
    digest = base64.b64encode(sha256).decode("ascii")
    headers = {
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Length": str(path.stat().st_size),
        "Accept": "application/json",
    }
    if signature is not None:
        headers["Signature-OpenPGP"] = f":{base64.b64encode(signature).decode('ascii')}:"
    url = f"{server.rstrip('/')}/api/v1/tarballs/{quote(path.name, safe='+')}"
    with httpx2.Client(timeout=_TIMEOUT) as http:
        for attempt in range(1, _TRIES + 1):
            bearer = {"Authorization": f"Bearer {token()}"}
            answer = _send(http, url, headers | bearer, path, sha256.hex(), progress)
            if attempt == _TRIES or not _is_soon_worth_retrying(answer):
                break
            wait_s = min(answer.retry_after_s or 2**attempt, _LONGEST_WAIT_S)
            tell(f"{_reason(answer)}; trying again in {wait_s} s ({attempt} of {_TRIES - 1})")
            time.sleep(wait_s)
    return answer


def _send(http: httpx2.Client, url: str, headers: dict[str, str], path: Path, sha256: str, progress: Sent) -> Answer:
    try:
        response = http.put(url, headers=headers, content=_pieces(path, progress))
    except httpx2.RequestError as error:
        return unreachable(url, error)
    answer = read(response)
    return impostor(response) if answer.is_success and answer.body.get("sha256") != sha256 else answer


def _is_soon_worth_retrying(answer: Answer) -> bool:
    # Who was told to slow down for an hour, and comes back after a minute, is kept out for longer.
    is_soon = answer.status != httpx2.codes.TOO_MANY_REQUESTS or answer.retry_after_s <= _LONGEST_WAIT_S
    return answer.is_worth_retrying and is_soon


def _pieces(path: Path, progress: Sent) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
            sent += len(piece)
            progress(sent)


def _reason(answer: Answer) -> str:
    return str(answer.body.get("title", f"The service answered {answer.status}"))
