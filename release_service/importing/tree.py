"""A whole old tree: its modules, a few at once; then the index above them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from release_service.archive.inspector import Inspector
from release_service.db import audit, modules
from release_service.db.audit import Act
from release_service.identity import Uploader
from release_service.importing import rows
from release_service.importing.module import Outcome, Tools, bring, examine
from release_service.importing.problems import Kind, Problem
from release_service.importing.source import Source
from release_service.index import write as index
from release_service.publish import Service
from release_service.verify.findings import together

# While one module's rows are written another one's files come; the files at once are counted apart.
_MODULES_AT_ONCE = 4


class Importer:
    """Imports *source* into *service*, or only looks at it; *by* is who runs it, *jobs* how many files come at once."""

    def __init__(self, service: Service, source: Source, inspector: Inspector, by: Uploader, jobs: int) -> None:
        """Do nothing yet."""
        self._service, self._source, self._inspector = service, source, inspector
        self._by, self._jobs = by, jobs

    def examine(self) -> Iterator[Outcome]:
        """Read everything that is not there yet, and write nothing; yield what would become of each module."""
        yield from self._each(examine)

    def bring(self) -> Iterator[Outcome]:
        """Import what is not there yet; yield what became of each module, in order.

        The index of /sources/ is written when the last one was taken.  (Raises: Unavailable; the next run goes on.)
        """
        total = Outcome("")
        for outcome in self._each(bring):
            total.releases += outcome.releases
            total.files += outcome.files
            total.bytes += outcome.bytes
            yield outcome
        service = self._service
        index.write_archive(service.store, service.transactions)
        if total.files:
            told = {"releases": total.releases, "files": total.files, "bytes": total.bytes}
            with service.transactions.begin() as session:
                act = Act(rows.ACT, self._by, "")
                audit.record(
                    session, act, audit.ACCEPTED, "finished", service.now(), origin=self._source.origin, **told
                )

    def _each(self, do: Callable[[Tools, str], Outcome]) -> Iterator[Outcome]:
        found, outside = self._source.modules()
        names, twins = self._without_twins(found)
        yield Outcome("", problems=[*outside, *twins])
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="import") as files:
            tools = Tools(self._service, self._source, self._inspector, files, self._by)
            yield from together(min(self._jobs, _MODULES_AT_ONCE), (partial(do, tools, name) for name in names))

    def _without_twins(self, found: Sequence[str]) -> tuple[list[str], list[Problem]]:
        """Of modules whose names differ in letters alone, leave the registered one, else that in small letters."""
        with self._service.transactions.read() as session:
            registered = set(modules.names(session))
        chosen: dict[str, str] = {}
        for name in sorted(found, key=lambda name: (name in registered, name)):
            chosen[name.lower()] = name
        twins = [name for name in found if chosen[name.lower()] != name]
        problems = [Problem(Kind.CASE_TWIN, name, f"beside {chosen[name.lower()]}") for name in twins]
        return [name for name in found if name not in twins], problems
