"""Fastly: purges by surrogate key through its API, by URL where readers ask.

A purge counts as done when the answer says so: for keys a map that has each of them, for a URL status "ok".
"""

import json
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr

from release_service import paths
from release_service.cdn.conversation import Answer, Conversation, conversation
from release_service.errors import CdnUnavailable

# What Fastly takes in one request.
_KEYS_AT_ONCE = 256
_HEADER_BYTES = 16 * 1024
_URLS_AT_ONCE = 8

_IDLE_S = 3.0
_WITHIN_S = 4.0
_MAX_ANSWER_BYTES = 64 * 1024

_OK = range(200, 300)
_NOT_ALLOWED = {401, 403}
_LIMITED = 429
# What a person has to change does not get better by asking.
_NOT_ALLOWED_S = 300
_LONGEST_WAIT_S = 3600
_SHORTEST_WAIT_S = 1
_WAIT_S = 30


class Fastly:
    """Purges the service *service_id* of Fastly, which readers know as *cdn_url*."""

    def __init__(self, cdn_url: str, api_url: str, service_id: str, token: SecretStr) -> None:
        """Ask the API at *api_url* with *token*."""
        self._cdn_url = cdn_url
        self._purge_url = f"{api_url}/service/{service_id}/purge"
        self._headers = {"Accept": "application/json"}
        self._token = token

    def purge_keys(self, keys: Collection[str]) -> None:
        """Purge by surrogate key, as many at once as one request may name."""
        with conversation(idle_s=_IDLE_S, within_s=_WITHIN_S) as fastly:
            for batch in _batches(sorted(set(keys))):
                said = self._ask(fastly, "POST", self._purge_url, {"Surrogate-Key": " ".join(batch)})
                missing = [key for key in batch if not (isinstance(said.get(key), str) and said[key])]
                if missing:
                    raise CdnUnavailable(f"Fastly does not confirm the purge of {len(missing)} of {len(batch)} keys.")

    def purge_paths(self, keys: Collection[str]) -> None:
        """Purge by URL, some at a time."""
        urls = sorted({url for key in keys for url in _urls(self._cdn_url, key)})
        if not urls:
            return
        with (
            conversation(idle_s=_IDLE_S, within_s=_WITHIN_S) as fastly,
            ThreadPoolExecutor(min(len(urls), _URLS_AT_ONCE)) as together,
        ):
            for asked in [together.submit(self._purge_url_of, fastly, url) for url in urls]:
                asked.result()

    def _purge_url_of(self, fastly: Conversation, url: str) -> None:
        if self._ask(fastly, "PURGE", url, {}).get("status") != "ok":
            raise CdnUnavailable(f"Fastly does not confirm the purge of {url}")

    def _ask(self, fastly: Conversation, method: str, url: str, headers: dict[str, str]) -> dict[str, Any]:
        token = {"Fastly-Key": self._token.get_secret_value()}
        with fastly.ask(method, url, self._headers | headers | token) as answer:
            if answer.status in _NOT_ALLOWED:
                raise CdnUnavailable(
                    f"Fastly does not accept the token ({answer.status}).", retry_after_s=_NOT_ALLOWED_S
                )
            if answer.status == _LIMITED:
                raise CdnUnavailable("Fastly wants fewer purges (429).", retry_after_s=_wait_s(answer))
            if answer.status not in _OK:
                raise CdnUnavailable(f"Fastly answers {answer.status}.", retry_after_s=_wait_s(answer))
            said = json.loads(answer.body(_MAX_ANSWER_BYTES))
        return said if isinstance(said, dict) else {}


def _batches(keys: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for key in keys:
        if len(batch) == _KEYS_AT_ONCE or size + len(key) > _HEADER_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += len(key) + 1
    if batch:
        yield batch


def _urls(cdn_url: str, key: str) -> set[str]:
    """Return where readers find *key*: the index of a directory under its own name, too."""
    url = paths.public_url(cdn_url, key)
    return {url, url + paths.INDEX_HTML} if url.endswith("/") else {url}


def _wait_s(answer: Answer) -> int:
    """Return what Retry-After says, in seconds or as a date; else when Fastly's own header says the limit ends."""
    after, reset = answer.headers.get("Retry-After", ""), answer.headers.get("Fastly-RateLimit-Reset", "")
    wait_s: float = _WAIT_S if answer.status == _LIMITED else _SHORTEST_WAIT_S
    if after.isdecimal():
        wait_s = int(after)
    elif after:
        wait_s = _until_date_s(after)
    elif answer.status == _LIMITED and reset.isdecimal():
        wait_s = int(reset) - time.time()
    return round(min(max(wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))


def _until_date_s(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return _WAIT_S
