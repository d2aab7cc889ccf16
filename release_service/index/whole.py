"""Write all indexes of a module at once: after an old tree was imported, every directory has changed.

As in `write`: first the documents and their marks, then one snapshot of the rows, then each conditional
PUT; whoever was faster with one of them leaves that one to be made again.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from release_service import paths
from release_service.db import Transactions, imported, releases, signing_keys
from release_service.errors import Changed
from release_service.index import Indexed, tree
from release_service.index.tree import Documents
from release_service.index.write import indexed, other, refuse_to_shrink, write_latest
from release_service.store import ReleaseStore
from release_service.store.rewrite import rewrite

_AT_ONCE = 4


def write_whole_module(
    store: ReleaseStore, transactions: Transactions, module: str, now: datetime, cooling: timedelta
) -> None:
    """Write all indexes of *module*, cache.json last; what says what it should is left alone.

    Raises IndexWouldShrink before anything is written; StoreUnavailable, DatabaseUnavailable.
    """
    cache_key = paths.cache_key(module)

    def now_() -> tuple[list[Indexed], Documents]:
        with transactions.read() as session:
            rows = [indexed(row) for row in releases.published(session, module)]
            others = [other(row) for row in imported.others(session, module)]
            ring = signing_keys.keyring(session, module, now, cooling).encode("ascii")
        return rows, tree.module(module, rows, ring, others)

    def again(key: str, before: bytes | None) -> bytes:
        rows, wanted = now_()
        if key == cache_key:
            refuse_to_shrink(module, before, rows)
        return wanted[key]()

    def write(key: str) -> None:
        content, there = wanted[key](), before[key]
        if there is not None and there.content == content:
            return
        try:
            store.replace(key, content, expected=there)
        except Changed:
            rewrite(store, key, partial(again, key))

    replaced = [key for key in now_()[1] if not key.rpartition("/")[2].startswith(paths.LATEST)]
    with ThreadPoolExecutor(_AT_ONCE) as together:
        before = dict(zip(replaced, together.map(store.read, replaced), strict=True))
        rows, wanted = now_()
        listed = before.get(cache_key)
        refuse_to_shrink(module, listed.content if listed else None, rows)
        series = {row.name.series for row in rows}
        list(together.map(lambda number: write_latest(store, module, number, lambda: rows), series))
        list(together.map(write, (key for key in replaced if key != cache_key)))
    write(cache_key)
