"""One module of an old tree: gathered, then written down in one commit, then indexed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from release_service import beside
from release_service.archive import Inspection
from release_service.archive.inspector import Inspector
from release_service.db import imported, modules, releases
from release_service.errors import BadArchive, CaseTwin, Refused
from release_service.identity import Uploader
from release_service.importing import old_index, rows
from release_service.importing.files import Fetched, Keep, Reader, brought, keep_in, keep_nothing
from release_service.importing.known import Known, known
from release_service.importing.old_index import OldModule, OldRelease
from release_service.importing.problems import Kind, Problem
from release_service.importing.rows import NewFile, NewRelease, Rows
from release_service.importing.source import Listing, Source, Unreadable
from release_service.importing.sums import Claims, is_sums
from release_service.index.write import write_all
from release_service.paths import CACHE_JSON
from release_service.promises import finder
from release_service.publish import Service
from release_service.tarball import TarballName, parse_module

_LONGEST_CACHE_JSON = 64 * 1024 * 1024
# Whose tarballs are looked into: the next release is compared with the newest of its branch (CONTRACT.md 4).
_RECENT_DIRECTORIES = 3
_READABLE = {"tar.xz": "xz", "tar.gz": "gz"}


@dataclass(frozen=True, slots=True)
class Tools:
    """What all modules of a run share: `files` brings that many files at once; `by` is who runs it."""

    service: Service
    source: Source
    inspector: Inspector
    files: Executor
    by: Uploader


@dataclass(slots=True)
class Outcome:
    """What became of a module: what is new, how many files are as before, and what is wrong."""

    module: str
    releases: int = 0
    files: int = 0
    bytes: int = 0
    as_before: int = 0
    problems: list[Problem] = field(default_factory=list)

    def count(self) -> dict[str, int]:
        """Return how many problems there are of each kind."""
        return dict(sorted(Counter(problem.kind.value for problem in self.problems).items()))


def examine(tools: Tools, name: str) -> Outcome:
    """Read the module as `bring` does, and write nothing."""
    return _Gathering(tools, name, keep_nothing).gather()[0]


def bring(tools: Tools, name: str) -> Outcome:
    """Import the module, or what is not there of it yet.  (Raises: Unavailable; the next run goes on.)"""
    gathering = _Gathering(tools, name, keep_in(tools.service.store))
    outcome, new = gathering.gather()
    if new:
        try:
            rows.write(tools.service, name, new, tools.source.origin, tools.by, outcome.count())
        except CaseTwin as twin:  # registered a moment ago
            return Outcome(name, problems=[*outcome.problems, Problem(Kind.CASE_TWIN, name, twin.detail)])
    if new or not gathering.known.is_finished:
        _finish(tools, name, None if not gathering.known.is_finished else new.versions())
    return outcome


def _finish(tools: Tools, name: str, versions: set[str] | None) -> None:
    """Tell of the releases (None: of all) and write the indexes; then note that this is done."""
    service = tools.service
    with service.transactions.read() as session:
        told = [
            releases.tarball_name(row)
            for row in releases.published(session, name)
            if releases.is_imported(row) and (versions is None or row.version in versions)
        ]
    list(tools.files.map(partial(beside.tell, service.store, service.transactions), told))
    moment = service.now(), service.signing.cooling
    write_all(service.store, service.transactions, name, *moment, let_be_found=finder(service.keeper()))
    with service.transactions.begin() as session:
        module = modules.find(session, name)
        assert module is not None, name  # noqa: S101 - it was committed above, or earlier
        imported.finish(session, module.id, service.now())


class _Gathering:
    """Reads what is new of one module, and gives it to *keep*."""

    def __init__(self, tools: Tools, name: str, keep: Keep) -> None:
        self._tools, self._name, self._keep = tools, name, keep
        self._reader = Reader(tools.source, name, tools.service.staging)
        self._outcome = Outcome(name)
        self._claims: Claims = {}
        self._pending: set[str] = set()
        self.known = Known()

    def gather(self) -> tuple[Outcome, Rows]:
        """Return what became of the module, and what is to be written down."""
        new = Rows()
        try:
            parse_module(self._name)
            with self._tools.service.transactions.read() as session:
                self.known = known(session, self._name)
        except CaseTwin as twin:
            self._outcome.problems.append(Problem(Kind.CASE_TWIN, self._name, twin.detail))
            return self._outcome, new
        except Refused as refusal:
            self._outcome.problems.append(Problem(Kind.BAD_MODULE, self._name, refusal.detail))
            return self._outcome, new
        listing = self._tools.source.listing(self._name)
        old = old_index.read(self._name, listing.paths, self._cache_json(listing))
        named = {problem.path for problem in listing.problems}
        missing = [problem for problem in old.problems if problem.kind is Kind.NOT_THERE and problem.path in named]
        self._outcome.problems += [*listing.problems, *(one for one in old.problems if one not in missing)]
        self._look_for_news(old)
        if self._pending:
            self._read_sums(listing)
            self._bring(old, new)
        return self._outcome, new

    def _cache_json(self, listing: Listing) -> bytes | None:
        if CACHE_JSON not in listing.paths:
            return None
        try:
            return self._reader.small(CACHE_JSON, _LONGEST_CACHE_JSON)
        except Unreadable:
            return b""

    def _look_for_news(self, old: OldModule) -> None:
        """Find the files that are not as an earlier run has brought them."""
        theirs = [path for release in old.releases for path in release.files.values()] + old.others
        before = [path for path in theirs if path in self.known.files]
        same = self._tools.files.map(self._is_unchanged, before)
        unchanged = {path for path, is_same in zip(before, same, strict=True) if is_same}
        self._outcome.as_before = len(unchanged)
        self._pending = set(theirs) - unchanged

    def _is_unchanged(self, path: str) -> bool:
        return self._reader.unchanged(path, self.known.files[path].stat)

    def _read_sums(self, listing: Listing) -> None:
        there = set(listing.paths)
        read = self._tools.files.map(partial(self._reader.sums, there=there), filter(is_sums, listing.paths))
        for claims, problems in read:
            self._outcome.problems += problems
            for path, more in claims.items():
                self._claims.setdefault(path, []).extend(more)

    def _bring(self, old: OldModule, new: Rows) -> None:
        recent = _recent(old.releases)
        news = [release for release in old.releases if self._pending & set(release.files.values())]
        tasks = [(release, str(release.version) in recent) for release in news]
        for release, problems in self._tools.files.map(self._release, tasks):
            self._outcome.problems += problems
            if release is not None:
                new.releases.append(release)
                self._count(release.files)
                self._outcome.releases += str(release.version) not in self.known.versions
        for file, problems in self._tools.files.map(self._file, [p for p in old.others if p in self._pending]):
            self._outcome.problems += problems
            if file is not None:
                new.others.append(file)
                self._count([file])

    def _count(self, files: Iterable[NewFile]) -> None:
        for file in files:
            if file.path in self._pending:
                self._outcome.files += 1
                self._outcome.bytes += file.size

    def _release(self, task: tuple[OldRelease, bool]) -> tuple[NewRelease | None, list[Problem]]:
        """Bring a release: its tarballs first, and the rest only if one of them is good."""
        old, is_recent = task
        version = str(old.version)
        if version in self.known.own:
            return None, self._compare_with_own(old, *self.known.own[version])
        problems: list[Problem] = []
        looked: list[Inspection] = []
        tarballs: list[NewFile] = []
        for ext in old.tarballs:
            may_look = is_recent and not tarballs and ext in _READABLE
            look = partial(self._look, old, ext, looked, problems) if may_look else None
            file, wrong = self._file(old.files[ext], ext, look)
            tarballs += [file] if file else []
            problems += wrong
        if not tarballs:
            return None, [*problems, Problem(Kind.NO_TARBALL, self._name, version)]
        problems += [
            self._reader.problem(Kind.NO_CHECKSUM, file.path)
            for file in tarballs
            if file.path in self._pending and file.path not in self._claims
        ]
        files = tarballs
        for ext in (ext for ext in old.files if ext not in old.tarballs):
            file, wrong = self._file(old.files[ext], ext)
            files += [file] if file else []
            problems += wrong
        return NewRelease(old.version, files, looked[0] if looked else None), problems

    def _file(
        self, path: str, ext: str = "", look: Callable[[Fetched], None] | None = None
    ) -> tuple[NewFile | None, list[Problem]]:
        """Bring a file that is new; one that is there must still be the same."""
        before = self.known.files.get(path)
        if before is not None and path not in self._pending:
            modified = before.stat.modified or self._tools.service.now()
            return NewFile(path, ext, before.size, before.sha256, modified), []

        def keep(key: str, fetched: Fetched) -> None:
            if look is not None:
                look(fetched)
            if before is None:
                self._keep(key, fetched)

        found = brought(self._reader, path, self._claims, keep)
        if isinstance(found, Problem):
            return None, [found]
        if before is not None and found.sha256 != before.sha256:
            was = f"SHA-256 {before.sha256}, now {found.sha256}"
            return None, [self._reader.problem(Kind.CHANGED, path, was)]
        modified = found.modified or self._tools.service.now()
        return NewFile(path, ext, found.size, found.sha256, modified), []

    def _compare_with_own(self, old: OldRelease, path: str, sha256: str) -> list[Problem]:
        """Leave what was uploaded here as it is; another tarball of that name is a problem."""
        if path not in old.files.values():
            return [self._reader.problem(Kind.ALREADY_PUBLISHED, path, f"as {path.rpartition('/')[2]}")]
        found = brought(self._reader, path, self._claims, keep_nothing)
        if isinstance(found, Problem):
            return [found]
        if found.sha256 == sha256:
            return []
        return [self._reader.problem(Kind.ALREADY_PUBLISHED, path, f"SHA-256 {sha256}, there {found.sha256}")]

    def _look(
        self, old: OldRelease, ext: str, looked: list[Inspection], problems: list[Problem], fetched: Fetched
    ) -> None:
        """Look into a tarball, for the texts that the next version is compared with."""
        name = TarballName(self._name, old.version, _READABLE[ext])
        inspecting = asyncio.run(self._tools.inspector.begin(name, fetched.file.fileno()))
        try:
            looked.append(inspecting.result(fetched.size))
        except BadArchive as refusal:
            problems.append(self._reader.problem(Kind.NOT_INSPECTED, old.files[ext], refusal.detail))


def _recent(old: Iterable[OldRelease]) -> set[str]:
    """Return the newest versions of the newest directories."""
    newest = {release.files[release.tarballs[0]].rpartition("/")[0]: release.version for release in old}
    return {str(version) for version in sorted(newest.values())[-_RECENT_DIRECTORIES:]}
