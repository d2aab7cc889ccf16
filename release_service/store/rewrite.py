"""Replace a mutable document, as often as somebody else was faster."""

from collections.abc import Callable

from release_service.errors import Changed, StoreUnavailable
from release_service.store import ReleaseStore

_TRIES = 50


def rewrite(store: ReleaseStore, key: str, build: Callable[[bytes | None], bytes]) -> bool:
    """Write what *build* makes of what is there (None: nothing); an unchanged document is left alone.

    Returns whether anything was written.

    The order is what keeps updates: first the document and its mark, then, in *build*, the snapshot
    of the rows, then the conditional PUT.
    """
    for _ in range(_TRIES):
        before = store.read(key)
        content = build(before.content if before else None)
        if before is not None and before.content == content:
            return False  # its Last-Modified must not move
        try:
            store.replace(key, content, expected=before)
        except Changed:
            continue
        return True
    raise StoreUnavailable(f"{key} changes faster than it can be written.")
