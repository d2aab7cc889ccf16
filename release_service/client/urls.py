"""Which URLs a token may be sent to: https, or http on this very machine."""

import httpx2

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def safe_url(text: str) -> httpx2.URL:
    """Return *text* as a URL that tokens may be sent to.  (Raises: ValueError, with the reason in a sentence.)"""
    if not text.isprintable() or " " in text:
        raise ValueError("It is not a URL.")
    try:
        # The library that will send the request reads the URL: nobody else's reading can differ from it.
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise ValueError("It is not a URL.") from None
    if not url.host or (url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK)):
        raise ValueError("Only https is accepted; http on a loopback address alone.")
    if url.userinfo or url.fragment:
        raise ValueError("A name, a password or a fragment has no place in it.")
    return url


def same_origin(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Say whether both are of one scheme, host and port."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
