"""What settings may name: a URL that secrets go to, or that is believed, and a token for it.

Https only; http is accepted for loopback addresses alone (DESIGN.md 4).
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def is_loopback(url: str) -> bool:
    """Say whether *url* is on this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def is_private(url: str) -> bool:
    """Say whether nobody in between can read, or change, what is said there."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def _issuer(value: str) -> str:
    if not is_private(value):
        raise ValueError("an issuer, or its API, is https, or http on a loopback address")
    if value.endswith("/"):
        raise ValueError("an issuer is compared with the tokens' iss, which is written without a last slash")
    return value


def _cdn(value: str) -> str:
    parts = urlsplit(value)
    if not is_private(value) or parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise ValueError("a CDN, or its API, is https://HOST, or http on a loopback address")
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-~]+", value.get_secret_value()):
        raise ValueError("a token is printable ASCII, without spaces and line ends")
    return value


IssuerUrl = Annotated[str, AfterValidator(_issuer)]
CdnUrl = Annotated[str, AfterValidator(_cdn)]
Token = Annotated[SecretStr, AfterValidator(_token)]
