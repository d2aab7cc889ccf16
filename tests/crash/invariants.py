"""The invariants I1-I18 of reference/security.md, 2b: each a function that raises `Violation`.

`after_every_effect` are checked after every effect; `at_rest`, those marked (F), when faults have ended and nothing is
due.  Checked where they come about: I6, I7, I10, I13, I16 also by `World.send` and `World.deliver`, I9 also
by tests that restore copies of the database.  Checked elsewhere:

- I14, open multipart uploads and names in the staging directory: tests/contract/test_release_store.py, tests/e2e;
- I15, deadlines in seconds: tests/web/test_connections.py and the receiving tests; here it is that nothing goes round
  and round, and that no lock is left;
- I17, no secret in a log: tests/run greps the log of all tests;
- I18, memory and disk: benchmarks/memory.py and benchmarks/uploads.py.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crash.readers import Reader, Row, Rows, View, parsed, versions
from crash.store_model import sha256_of
from release_service import audit, paths

if TYPE_CHECKING:
    from crash.world import World


class Violation(AssertionError):
    """An invariant does not hold."""


def hold(number: str, is_so: object, what: str) -> None:
    if not is_so:
        raise Violation(f"{number}: {what}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one reader is given now, and what is committed."""

    reader: Reader
    view: View
    rows: Rows


def i1_what_an_index_names_is_readable(seen: Seen) -> None:
    """Every path in every readable cache.json is readable at the same reader, with the right bytes.

    Held also of the fourth element: a signature, and release.json.
    """
    for key, cache in seen.view.items():
        if cache is None or not key.endswith(paths.CACHE_JSON):
            continue
        module = key.split("/")[1]
        _, files, listed, others = parsed(cache)
        for version in listed[module]:
            hold("I1", version in files[module], f"{seen.reader.name}: {key} names {version} without files")
        named = [path for of in files[module].values() for path in of.values()]
        named += [f"{at}/{one}" for at, ones in others.items() for one in ones if one.endswith((".asc", "e.json"))]
        for path in named:
            _hold_readable(seen, f"sources/{module}/{path.removeprefix('./')}", key)


def _hold_readable(seen: Seen, path: str, index: str) -> None:
    content = seen.view.get(path)
    hold("I1", content is not None, f"{seen.reader.name}: {index} names {path}, which is not readable")
    row = seen.rows.by_key.get(path)
    hold("I1", row is None or sha256_of(content or b"") == row.sha256, f"{seen.reader.name}: {path} has other bytes")


def i2_readable_bytes_never_change(seen: Seen) -> None:
    """Once bytes of a key were readable, that key never yields other bytes."""
    for key, content in seen.view.items():
        if content is not None and not paths.is_mutable(key):
            first = seen.reader.first.setdefault(key, content)
            hold("I2", first == content, f"{seen.reader.name}: {key} has changed")


def i3_a_checksum_file_is_true(seen: Seen) -> None:
    """A readable .sha256sum has all its files readable and matching.

    At the CDN this is held of releases that its index names: a URL that somebody has polled too early may be missing
    for seconds, next to one that nobody has.
    """
    for key, content in seen.view.items():
        if content is None or not key.endswith(".sha256sum"):
            continue
        if seen.reader.name != "origin" and not _is_named(seen.view, key):
            continue
        for line in content.decode().splitlines():
            sha256, name = line.split("  ", 1)
            there = seen.view.get(f"{key.rpartition('/')[0]}/{name}")
            hold("I3", there is not None and sha256_of(there) == sha256, f"{seen.reader.name}: {key}: {name}")


def _is_named(view: View, key: str) -> bool:
    _, module, _, base = key.split("/")
    return base.removesuffix(".sha256sum").removeprefix(f"{module}-") in versions(view, module)


def i4_what_is_readable_was_verified(seen: Seen) -> None:
    """Every readable tarball has a release row with that digest whose verify record passed."""
    for key, content in seen.view.items():
        if content is not None and key.endswith(".tar.xz"):
            row = seen.rows.by_key.get(key)
            hold("I4", row is not None and row.was_verified, f"{seen.reader.name}: {key} was never accepted")
            hold("I4", row and row.sha256 == sha256_of(content), f"{seen.reader.name}: {key} was accepted otherwise")


def i8_a_token_is_bound_in_the_claim_s_commit(seen: Seen) -> None:
    """One accepted release per (module, version), and per (iss, jti): neither is there without the other."""
    names = [str(row.name) for row in seen.rows.releases]
    hold("I8", len(set(names)) == len(names), f"{names}")
    of_tokens = [(filename, sha256) for _, _, filename, sha256 in seen.rows.tokens]
    of_jobs = {(str(row.name), row.sha256) for row in seen.rows.releases if row.kind != "sso"}
    all_ = {(str(row.name), row.sha256) for row in seen.rows.releases}
    hold("I8", of_jobs <= set(of_tokens), f"a job's release has no token: {of_jobs - set(of_tokens)}")
    hold("I8", set(of_tokens) <= all_, f"a token has no release: {set(of_tokens) - all_}")
    tokens = [token[:2] for token in seen.rows.tokens]
    hold("I8", len(set(tokens)) == len(tokens), "a token was used for two")


def i9_an_index_loses_no_version(seen: Seen) -> None:
    """No reader's index ever loses a version (nobody yanks here), nor vanishes."""
    for key in seen.view:
        if key.endswith(paths.CACHE_JSON):
            module = key.split("/")[1]
            before, now = seen.reader.listed.get(module, frozenset()), versions(seen.view, module)
            hold("I9", before <= now, f"{seen.reader.name}: the index of {module} has lost {sorted(before - now)}")
            seen.reader.listed[module] = now


def i11_what_is_readable_is_in_the_audit(seen: Seen) -> None:
    """Every readable release has an audit entry with identity and digest; `at_rest` the chain verifies."""
    for row in seen.rows.releases:
        name = row.name
        codes = {code for *of, code in seen.rows.audited if of == [name.module, name.version.text, row.sha256]}
        if seen.view.get(paths.tarball_key(name)) is not None:
            hold("I11", codes, f"nobody knows who has sent {name}")
        if row.published_at is not None:
            hold("I11", "published" in codes, f"nobody knows who has published {name}")


AFTER_EVERY_EFFECT: tuple[Callable[[Seen], None], ...] = (
    i1_what_an_index_names_is_readable,
    i2_readable_bytes_never_change,
    i3_a_checksum_file_is_true,
    i4_what_is_readable_was_verified,
    i8_a_token_is_bound_in_the_claim_s_commit,
    i9_an_index_loses_no_version,
    i11_what_is_readable_is_in_the_audit,
)
# What still holds when a copy of the database was restored that knows less than readers do.
FOR_READERS = tuple(AFTER_EVERY_EFFECT[at] for at in (0, 1, 2, 5))


def i5_index_rows_and_store_are_the_same(world: "World", rows: Rows) -> None:
    """The index is the rows that are published, is what the store lists: no ghost either way."""
    view = world.origin.look(world.urls)
    signed = {release for release, _, published_at in rows.signatures if published_at is not None}
    expected = {key for row in rows.published for key in _keys(row, rows, is_signed=row.id in signed)} | _latest(rows)
    there = {key for key in world.store.objects if not key.endswith((paths.INDEX_HTML, paths.ROBOTS, paths.KEYRING))}
    hold("I5", there == expected, f"without a row: {sorted(there - expected)}, missing: {sorted(expected - there)}")
    for module in {row.name.module for row in rows.releases}:
        known = {row.name.version.text for row in rows.published if row.name.module == module}
        hold("I5", versions(view, module) == known, f"{module}: {sorted(versions(view, module))}, rows {sorted(known)}")
    _hold_pages(view, rows, signed)


def _keys(row: Row, rows: Rows, *, is_signed: bool) -> set[str]:
    exts = {"tar.xz", "sha256sum", "release.json"} | {ext for release, ext in rows.files if release == row.id}
    exts |= {"tar.xz.asc"} if is_signed else set()
    return {paths.release_key(row.name, ext) for ext in exts} | {paths.cache_key(row.name.module)}


def _latest(rows: Rows) -> set[str]:
    in_order = sorted((row.name for row in rows.published), key=lambda name: name.version)
    newest = {(name.module, name.version.series): name for name in in_order}
    return {paths.latest_key(name) for name in newest.values()}


def _hold_pages(view: View, rows: Rows, signed: set[int]) -> None:
    for row in rows.published:
        page = view[paths.index_key(paths.series_directory(row.name.module, row.name.version.series))] or b""
        hold("I5", str(row.name).encode() in page, f"{row.name} is not in the page of its series")
        is_signed = row.id in signed
        asc = f"{row.name}.asc"
        told = json.loads(view[paths.release_key(row.name, "release.json")] or b"{}")
        listed = parsed(view[paths.cache_key(row.name.module)] or b"")[3][row.name.version.series]
        says = asc.encode() in page, "signature" in told, asc in listed
        hold(
            "I5", says == 3 * (is_signed,), f"{asc} is {is_signed} in the rows; page, release.json, cache.json: {says}"
        )
        hold("I5", f'"{row.name.module}/"'.encode() in (view[paths.index_key(paths.SOURCES)] or b""), "not in sources")


def i6_what_was_answered_with_2xx_stays(world: "World", rows: Rows) -> None:
    """A 2xx means published for ever."""
    for request in world.accepted:
        row = rows.by_key.get(paths.tarball_key(request.name))
        is_so = row is not None and row.published_at is not None and row.sha256 == request.sha256
        hold("I6", is_so, f"{request} was answered with 2xx")


def i7_what_was_refused_is_not_readable(world: "World") -> None:
    """A final 4xx means that none of that upload's bytes are readable."""
    there = {sha256_of(content) for content in world.store.objects.values()}
    for request in world.refused:
        hold("I7", request.sha256 not in there or request.names_signature, f"{request} was refused")


def i10_each_release_is_announced(world: "World", rows: Rows) -> None:
    """Announced at least once; `World.deliver` holds that it was never before it was readable."""
    told = {message["Subject"] for message in world.mails}
    for row in rows.published:
        hold("I10", row.visible_at is not None, f"{row.name} never became visible")
    for module, version, _, code in rows.audited:
        if code in {"published", "signed"}:
            hold("I10", f"{module}-{version}.tar.xz was {code}" in told, f"nobody was told that {version} was {code}")


def i11_the_chain_verifies(world: "World") -> None:
    """The hash chain verifies, and is complete."""
    verdict = audit.verify(world.database.transactions)
    hold("I11", not verdict.findings and not verdict.pending, f"{verdict.findings}, {verdict.pending} are not linked")


def i12_the_cdn_shows_the_newest_index(world: "World") -> None:
    """After its time the CDN shows the newest index, even if all purges fail."""
    for key in world.urls:
        seen, there = world.cdn.read(key), world.store.objects.get(key)
        hold("I12", seen == there, f"the CDN has an old {key}")


def i14_nothing_temporary_is_left(world: "World") -> None:
    """No temporary file, nothing on its way to the store."""
    staged = [path for path in world.staging.rglob("*") if path.is_file()]
    hold("I14", not staged and not world.store.staged, f"{staged}, {world.store.staged} on their way")


def i15_nothing_is_held(world: "World") -> None:
    """No lock is left, and no promise is open that somebody could keep."""
    hold("I15", world.turns.writer is None, "a transaction is open")
    open_ = world.open_promises()
    hold("I15", not open_, f"nobody keeps {open_}")
