"""How the time of a publication depends on how much the archive holds."""

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import httpx2
from sqlalchemy import insert, text

from benchmarks import table
from benchmarks.places import Place, Running, running
from release_service import checksum
from release_service.db import connect, follow_ups
from release_service.db.tables import Base, FollowUp, Module, Publisher, Release, ReleaseFile, ReleaseText, TokenUse

_SIZES = (100, 10_000, 60_000)
_PER_MODULE = 100
_WARM_UP, _COUNTED = 5, 25
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Far from the numbers that the database gives out itself.
_FIRST_ID = 1_000_000


def measure(places: Sequence[Place]) -> None:
    """Print the table, in milliseconds."""
    table.heading(
        "3. A small release into archives of different size",
        f"Milliseconds of the whole request, median of {_COUNTED} after {_WARM_UP}; the archives take turns.",
        f"The database holds {_PER_MODULE} releases a module.  All publications go to one module more: what is",
        "measured is how the rest of the archive weighs, not how long the module's own index is.",
    )
    rows = []
    for place in places:
        times = _medians(place)
        cells = [f"{1000 * seconds:.0f}" for seconds in times]
        rows.append([place.name, *cells, *(f"{seconds / times[0]:.2f}" for seconds in times[1:])])
    sizes = [f"{size:,}" for size in _SIZES]
    table.show(["releases:", *sizes, *(f"{size} / {sizes[0]}" for size in sizes[1:])], rows)


def _medians(place: Place) -> list[float]:
    times: list[list[float]] = [[] for _ in _SIZES]
    with contextlib.ExitStack() as ending, httpx2.Client() as client:
        services = [ending.enter_context(_filled(place, size)) for size in _SIZES]
        for number in range(_WARM_UP + _COUNTED):
            for service, taken in zip(services, times, strict=True):
                taken.append(service.publish(client, "bench", f"1.{number}"))
    return [median(taken[_WARM_UP:]) for taken in times]


@contextlib.contextmanager
def _filled(place: Place, size: int) -> Iterator[Running]:
    """Run a service whose database knows *size* releases."""
    url = place.database_url()
    database = connect(url)
    with database.begin() as connection:
        for first in range(0, size, _PER_MODULE):
            ids = range(_FIRST_ID + first, _FIRST_ID + first + _PER_MODULE)
            for kind, rows in _rows(_FIRST_ID + first // _PER_MODULE, ids).items():
                connection.execute(insert(kind), rows)
        connection.execute(text("ANALYZE"))  # as the databases do themselves by and by
    database.dispose()
    with running(place, url) as service:
        yield service


def _rows(module: int, releases: Sequence[int]) -> dict[type[Base], list[dict[str, Any]]]:
    """Return the rows of a module and its releases, all published."""
    name = f"module{module}"
    news = zlib.compress(f"{name}\n".encode() * 100)
    digest = checksum.digest(news)
    one = {"published_at": _NOW, "claimed_at": _NOW, "module_id": module, "sha256": digest, "size": 100_000_000}
    made = {"archive": {"members": 1, "expanded_bytes": 1, "warnings": []}, "proof": {"kind": "gitlab"}}
    promise = {"kind": follow_ups.INDEX, "module_id": module, "promised_at": _NOW, "kept_at": _NOW}
    return {
        Module: [{"id": module, "name": name, "folded": name, "created_at": _NOW}],
        Publisher: [
            {
                "module_id": module,
                "project_id": str(module),
                "namespace_id": "8",
                "project_path": f"GNOME/{name}",
                "created_at": _NOW,
            }
        ],
        Release: [{"id": id_, "version": f"1.{id_}", "compression": "xz", **one, **made} for id_ in releases],
        ReleaseFile: [
            {"release_id": id_, "ext": "news", "sha256": digest, "size": 100, "deflated": news} for id_ in releases
        ],
        ReleaseText: [{"release_id": id_, "name": "NEWS", "deflated": news} for id_ in releases],
        TokenUse: [
            {
                "issuer": "https://gitlab.gnome.org",
                "token_id": f"token-{id_}",
                "filename": f"{name}-1.{id_}.tar.xz",
                "sha256": digest,
                "used_at": _NOW,
            }
            for id_ in releases
        ],
        FollowUp: [{"release_id": id_, **promise} for id_ in releases],
    }
