"""Receiving a body: however its bytes come, the same tarball is read, or a refusal leaves nothing."""

import asyncio
import base64
import gzip
import hashlib
import io
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_service.archive import Limits
from release_service.archive.inspector import Inspector
from release_service.errors import (
    BadUpload,
    DigestMismatch,
    OutOfSpace,
    Refused,
    TooLarge,
    UnsupportedMediaType,
    UploadCutOff,
    UploadTooSlow,
)
from release_service.receive import ReceiveLimits, _Writer, ended, receive, timed, until_cut_off
from release_service.receive.multipart import Form, boundary_of
from release_service.receive.raw import RawBody, refuse_too_long, repr_digest
from release_service.tarball import TarballName

NAME = TarballName.parse("gtk-4.18.1.tar.gz")
CONTENT = gzip.compress(b"not an archive, but that is not asked here", mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TYPE = "multipart/form-data; boundary=------------------------d74496d66958873e"
BOUNDARY = b"--------------------------d74496d66958873e"
TARBALL = 'form-data; name="tarball"; filename="gtk-4.18.1.tar.gz"'
LIMITS = ReceiveLimits(
    max_tarball_bytes=2**20, upload_timeout_s=10, idle_timeout_s=5, min_rate_bytes_per_s=1, rate_grace_s=10
)


def part(content: bytes = CONTENT, disposition: str = TARBALL, *more: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *more]
    return BOUNDARY + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(value.encode(), f'form-data; name="{name}"')


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + BOUNDARY + b"--\r\n"


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@dataclass(frozen=True)
class Received:
    """What was read of an upload."""

    filename: str
    content: bytes
    said: list[str]


def read(*chunks: bytes, content_type: str = TYPE) -> Received:
    """Read a form that comes in *chunks*."""

    async def main() -> Received:
        body = Form(stream(chunks), content_type)
        filename = await body.open()
        content = b"".join([chunk async for chunk in body.chunks()])
        return Received(filename, content, body.said)

    return asyncio.run(main())


def split(content: bytes, points: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(point % (len(content) + 1) for point in points), len(content)]
    return [content[start:end] for start, end in pairwise(ends)]


# The form ------------------------------------------------------------------------------------

GOOD: dict[str, bytes] = {
    "curl": form(part(CONTENT, TARBALL, "Content-Type: application/gzip")),
    "no-content-type": form(part()),
    "sha256-before": form(field("sha256", SHA256), part()),
    "sha256-after": form(part(), field("sha256", SHA256)),
    "sha256-in-capitals": form(part(), field("sha256", SHA256.upper())),
    "sha256-with-newline": form(part(), field("sha256", SHA256 + "\n")),
    "small-letters": form(part().replace(b"Content-Disposition", b"content-disposition")),
    "filename-first": form(part(CONTENT, 'form-data; filename="gtk-4.18.1.tar.gz"; name="tarball"')),
    "no-space-in-the-disposition": form(part(CONTENT, 'form-data;name="tarball";filename="gtk-4.18.1.tar.gz"')),
    "content-length-in-the-part": form(part(CONTENT, TARBALL, f"Content-Length: {len(CONTENT)}")),
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_form_gives_its_tarball(body: bytes) -> None:
    received = read(body)
    assert (received.filename, received.content) == ("gtk-4.18.1.tar.gz", CONTENT)
    assert received.said == ([SHA256] if b"sha256" in body else [])


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_form_that_comes_byte_by_byte_is_the_same(body: bytes) -> None:
    assert read(*(bytes([byte]) for byte in body)) == read(body)


@settings(max_examples=60)
@given(st.sampled_from(sorted(GOOD)), st.lists(st.integers(0, 2000), max_size=6))
def test_where_a_form_is_split_does_not_matter(kind: str, points: list[int]) -> None:
    assert read(*split(GOOD[kind], points)) == read(GOOD[kind])


@given(
    st.binary(max_size=300).filter(lambda content: BOUNDARY not in content), st.lists(st.integers(0, 999), max_size=4)
)
def test_any_content_comes_through_unchanged(content: bytes, points: list[int]) -> None:
    assert read(*split(form(part(content)), points)).content == content


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"\r\n--", BOUNDARY[:-1], b"\r\n" + BOUNDARY[:-1], b"\r\n\r\n--\r\n"]
)
def test_content_that_looks_like_a_boundary_comes_through_unchanged(content: bytes) -> None:
    assert read(form(part(content))).content == content


BAD: dict[str, tuple[type[Refused], bytes]] = {
    "no-part": (BadUpload, form()),
    "no-tarball": (BadUpload, form(field("sha256", SHA256))),
    "other-name": (BadUpload, form(part(CONTENT, 'form-data; name="file"; filename="gtk-4.18.1.tar.gz"'))),
    "other-field": (BadUpload, form(field("module", "gtk"), part())),
    "other-field-after": (BadUpload, form(part(), field("module", "gtk"))),
    "two-tarballs": (BadUpload, form(part(), part())),
    "second-file": (BadUpload, form(part(), part(CONTENT, 'form-data; name="other"; filename="a.tar.gz"'))),
    "signature-twice": (BadUpload, form(field("signature", "x"), part(), field("signature", "x"))),
    "signature-endless": (TooLarge, form(part(), field("signature", "x" * 16_385))),
    "signature-endless-before": (TooLarge, form(field("signature", "x" * 16_385), part())),
    "sha256-twice": (BadUpload, form(field("sha256", SHA256), field("sha256", SHA256), part())),
    "sha256-before-and-after": (BadUpload, form(field("sha256", SHA256), part(), field("sha256", SHA256))),
    "sha256-as-file": (BadUpload, form(part(), part(b"a" * 64, 'form-data; name="sha256"; filename="sums"'))),
    "sha256-too-short": (BadUpload, form(part(), field("sha256", SHA256[:-1]))),
    "sha256-too-long": (BadUpload, form(part(), field("sha256", SHA256 + "0"))),
    "sha256-not-hex": (BadUpload, form(part(), field("sha256", "g" * 64))),
    "sha256-empty": (BadUpload, form(part(), field("sha256", ""))),
    "sha256-other-digits": (BadUpload, form(part(), field("sha256", "\u0661" * 64))),
    "sha256-line": (BadUpload, form(part(), field("sha256", f"{SHA256}  gtk-4.18.1.tar.gz"))),
    "sha256-endless": (TooLarge, form(part(), field("sha256", "a" * 5000))),
    "sha256-endless-before": (TooLarge, form(field("sha256", "a" * 100_000), part())),
    "no-filename": (BadUpload, form(part(CONTENT, 'form-data; name="tarball"'))),
    "extended-filename": (BadUpload, form(part(CONTENT, "form-data; name=\"tarball\"; filename*=utf-8''a.tar.gz"))),
    "both-filenames": (BadUpload, form(part(CONTENT, TARBALL + "; filename*=utf-8''evil-1.tar.gz"))),
    "filename-twice": (BadUpload, form(part(CONTENT, TARBALL + '; filename="evil-1.tar.gz"'))),
    "filename-twice-in-two-cases": (BadUpload, form(part(CONTENT, TARBALL + '; FileName="evil-1.tar.gz"'))),
    "name-twice": (BadUpload, form(part(CONTENT, TARBALL + '; name="sha256"'))),
    "continued-filename": (BadUpload, form(part(CONTENT, 'form-data; name="tarball"; filename*0="a"; filename*1="b"'))),
    "vertical-tab-in-the-disposition": (BadUpload, form(part(CONTENT, TARBALL.replace(" ", "\v")))),
    "no-break-space-behind-the-disposition": (BadUpload, form(part(CONTENT, TARBALL + "\u00a0"))),
    "unquoted-filename": (BadUpload, form(part(CONTENT, 'form-data; name="tarball"; filename=gtk-4.18.1.tar.gz'))),
    "escaped-quote": (BadUpload, form(part(CONTENT, 'form-data; name="tarball"; filename="a\\"b.tar.gz"'))),
    "unknown-parameter": (BadUpload, form(part(CONTENT, TARBALL + '; size="7"'))),
    "no-name": (BadUpload, form(part(CONTENT, 'form-data; filename="gtk-4.18.1.tar.gz"'))),
    "attachment": (BadUpload, form(part(CONTENT, 'attachment; name="tarball"; filename="gtk-4.18.1.tar.gz"'))),
    "no-disposition": (BadUpload, form(part().replace(b"Content-Disposition", b"Content-Description"))),
    "two-dispositions-the-bad-first": (BadUpload, form(part(CONTENT, "attachment", f"Content-Disposition: {TARBALL}"))),
    "two-dispositions-the-good-first": (BadUpload, form(part(CONTENT, TARBALL, "Content-Disposition: attachment"))),
    "two-good-dispositions": (BadUpload, form(part(CONTENT, TARBALL, f"Content-Disposition: {TARBALL}"))),
    "header-too-long": (TooLarge, form(part(CONTENT, TARBALL, "X: " + "x" * 9000))),
    "headers-too-many": (TooLarge, form(part(CONTENT, TARBALL, *["X-Header: value"] * 1000))),
    "header-name-too-long": (TooLarge, form(part(CONTENT, TARBALL, "X" * 9000 + ": x"))),
    "filename-too-long": (TooLarge, form(part(CONTENT, f'form-data; name="tarball"; filename="{"x" * 9000}"'))),
    "no-boundary-at-all": (BadUpload, CONTENT),
    "other-boundary": (BadUpload, form(part()).replace(BOUNDARY, b"--other")),
    "header-without-colon": (BadUpload, form(part(CONTENT, TARBALL, "no colon here"))),
    "header-name-with-space": (BadUpload, form(part(CONTENT, TARBALL, "X Y: z"))),
    "text-before-the-first-boundary": (BadUpload, b"preamble\r\n" + form(part())),
    "text-before-the-first-boundary-behind-an-empty-line": (BadUpload, b"\r\npreamble\r\n" + form(part())),
    "header-inside-a-header": (BadUpload, form(part().replace(b"Content-Disposition", b"X: y\nContent-Disposition"))),
    "empty-body": (UploadCutOff, b""),
    "no-closing-boundary": (UploadCutOff, part()),
    "only-a-boundary": (UploadCutOff, BOUNDARY + b"\r\n"),
}


@pytest.mark.parametrize("size", [1, 100, 10**6])
@pytest.mark.parametrize(("kind", "body"), BAD.values(), ids=BAD)
def test_a_bad_form_is_refused(kind: type[Refused], body: bytes, size: int) -> None:
    if size == 1 and len(body) > 20_000:
        size = 3
    with pytest.raises(kind) as caught:
        read(*(body[start : start + size] for start in range(0, len(body), size)))
    assert type(caught.value) is kind
    assert caught.value.detail.isascii()
    assert len(caught.value.detail) < 400


def test_a_form_that_is_cut_off_at_any_byte_is_refused() -> None:
    body = form(field("sha256", SHA256), part())
    end = len(body) - 2  # the last newline is nobody's loss
    for size in range(end):
        with pytest.raises(Refused):
            read(body[:size])
    assert read(body[:end]).content == CONTENT


def read_or_refused(*chunks: bytes) -> Received | None:
    """Return what is read, None if it is refused; whatever else is raised fails the test."""
    try:
        return read(*chunks)
    except Refused:
        return None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [BOUNDARY, b"\r\n", b"--", b"\n", b": ", part(), part()[:60], field("sha256", SHA256), form(), b'"', b";"]
        )
        | st.binary(max_size=20),
        max_size=8,
    )
)
def test_any_body_is_a_form_or_refused_however_it_is_cut(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    whole = read_or_refused(body)
    assert read_or_refused(*pieces) == whole
    assert read_or_refused(*(body[at : at + 1] for at in range(len(body)))) == whole


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=abc",
        'multipart/form-data; boundary="a b"',
        "Multipart/Form-Data;boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        f"multipart/form-data; boundary={'b' * 70}",
    ],
)
def test_a_boundary_of_real_clients_is_read(content_type: str) -> None:
    assert boundary_of(content_type) == content_type.partition("oundary=")[2].strip('"').encode()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/x-xz",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=abc",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=abc; boundary=def",
        f"multipart/form-data; boundary={'b' * 71}",
        "multipart/form-data; boundary=a\u00e9",
        "multipart/form-data; boundary=abc\r\nX: y",
        "xmultipart/form-data; boundary=abc",
    ],
)
def test_a_content_type_that_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        Form(stream([]), content_type)


# The raw body --------------------------------------------------------------------------------


def digest_header(content: bytes, algorithm: str = "sha-256") -> str:
    return f"{algorithm}=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", []),
        (digest_header(CONTENT), [SHA256]),
        (" " + digest_header(CONTENT) + " ", [SHA256]),
        ("sha-512=:AAAA:", []),
        ("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:, unixsum=30637", []),
        ("sha-512=:AAAA:, " + digest_header(CONTENT), [SHA256]),
        (digest_header(CONTENT) + ",sha-512=:AAAA:", [SHA256]),
        (digest_header(CONTENT) + ", " + digest_header(b""), [SHA256, hashlib.sha256(b"").hexdigest()]),
    ],
)
def test_a_repr_digest_says_what_it_says(header: str, said: list[str]) -> None:
    assert repr_digest({"repr-digest": header}) == said


def test_without_a_repr_digest_nothing_is_said() -> None:
    assert repr_digest({}) == []


@pytest.mark.parametrize(
    "header",
    [
        "sha-256",
        "sha-256=",
        "sha-256=::",
        f"sha-256={SHA256}",
        f"sha-256=:{SHA256}:",
        digest_header(CONTENT)[:-1],
        digest_header(CONTENT).replace("=:", "=", 1),
        digest_header(CONTENT).replace("=:", "= :", 1),
        digest_header(CONTENT) + ";q=1",
        "sha-256=:" + base64.b64encode(bytes(31)).decode() + ":",
        "sha-256=:" + base64.b64encode(bytes(33)).decode() + ":",
        "sha-256=:" + "-" * 43 + "=:",
        digest_header(CONTENT) + ", sha-256=x",
    ],
)
def test_a_malformed_sha256_in_a_repr_digest_is_refused(header: str) -> None:
    with pytest.raises(BadUpload):
        RawBody(stream([]), {"repr-digest": header})


@pytest.mark.parametrize("length", ["0", "1048576", "000001"])
def test_a_length_up_to_the_cap_is_accepted(length: str) -> None:
    refuse_too_long({"content-length": length}, 2**20)


def test_a_body_without_a_length_is_accepted() -> None:
    refuse_too_long({"transfer-encoding": "chunked"}, 2**20)


@pytest.mark.parametrize("length", ["1048577", "9" * 30, "9" * 5000])
def test_a_length_beyond_the_cap_is_refused(length: str) -> None:
    with pytest.raises(TooLarge):
        refuse_too_long({"content-length": length}, 2**20)


@pytest.mark.parametrize("length", ["", "-1", "+1", "1.0", "0x10", "1 ", "1,1", "1_000", "\u0661", "\u00b2", "many"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(BadUpload):
        refuse_too_long({"content-length": length}, 2**20)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity", ""])
def test_a_body_that_is_sent_encoded_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        refuse_too_long({"content-encoding": encoding}, 2**20)


def test_a_body_that_is_sent_as_it_is_is_accepted() -> None:
    refuse_too_long({"content-encoding": "identity"}, 2**20)


# Into the staging directory ------------------------------------------------------------------


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector(Limits())


def assert_empty(staging: Path) -> None:
    assert list(staging.iterdir()) == []


def into(
    staging: Path,
    inspector: Inspector,
    chunks: AsyncIterator[bytes],
    headers: dict[str, str] | None = None,
    limits: ReceiveLimits = LIMITS,
) -> Received:
    """Receive a raw body; whatever happens, nothing is left in *staging*."""

    async def main() -> Received:
        body = RawBody(chunks, headers or {})
        async with receive(NAME, body, limits, staging, inspector) as tarball:
            content = os.pread(tarball.file.fileno(), tarball.size + 1, 0)
            assert hashlib.sha256(content).hexdigest() == tarball.sha256
            assert_empty(staging)
            return Received(str(tarball.name), content, body.said)

    try:
        return asyncio.run(main())
    finally:
        assert_empty(staging)
        again = inspector.early(NAME, 0)
        assert again is not None, "the early turn was not given back"
        again.end()


def test_a_raw_body_is_received_whole(tmp_path: Path, inspector: Inspector) -> None:
    assert into(tmp_path, inspector, stream([CONTENT])).content == CONTENT


def test_the_staging_directory_is_made(tmp_path: Path, inspector: Inspector) -> None:
    assert into(tmp_path / "a/b", inspector, stream([CONTENT])).content == CONTENT


def test_an_empty_body_is_received_as_what_it_is(tmp_path: Path, inspector: Inspector) -> None:
    assert into(tmp_path, inspector, stream([])).content == b""


def test_a_large_body_is_received_whole(tmp_path: Path, inspector: Inspector) -> None:
    content = os.urandom(3 * 2**20 + 7)
    chunks = stream(content[start : start + 65_536] for start in range(0, len(content), 65_536))
    assert into(tmp_path, inspector, chunks, limits=replace(LIMITS, max_tarball_bytes=2**23)).content == content


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 2**20), max_size=5))
def test_where_a_raw_body_is_split_does_not_matter(tmp_path: Path, inspector: Inspector, points: list[int]) -> None:
    content = bytes(range(256)) * 4096
    assert into(tmp_path, inspector, stream(split(content, points))).content == content


def test_the_digest_that_was_said_is_compared(tmp_path: Path, inspector: Inspector) -> None:
    good = {"repr-digest": digest_header(CONTENT)}
    assert into(tmp_path, inspector, stream([CONTENT]), good).said == [SHA256]
    with pytest.raises(DigestMismatch, match=SHA256):
        into(tmp_path, inspector, stream([CONTENT]), {"repr-digest": digest_header(b"")})
    with pytest.raises(DigestMismatch):
        into(
            tmp_path, inspector, stream([CONTENT]), {"repr-digest": digest_header(CONTENT) + ", " + digest_header(b"")}
        )


def test_a_form_is_received_and_the_digest_after_its_tarball_compared(tmp_path: Path, inspector: Inspector) -> None:
    async def main(sha256: str) -> bytes:
        body = Form(stream([form(part(), field("sha256", sha256))]), TYPE)
        await body.open()
        async with receive(NAME, body, LIMITS, tmp_path, inspector) as tarball:
            return os.pread(tarball.file.fileno(), tarball.size, 0)

    assert asyncio.run(main(SHA256)) == CONTENT
    with pytest.raises(DigestMismatch):
        asyncio.run(main("0" * 64))
    assert list(tmp_path.iterdir()) == []


def test_a_body_as_long_as_the_cap_is_received(tmp_path: Path, inspector: Inspector) -> None:
    limits = replace(LIMITS, max_tarball_bytes=len(CONTENT))
    assert into(tmp_path, inspector, stream([CONTENT]), limits=limits).content == CONTENT


def test_a_body_beyond_the_cap_is_refused_while_it_comes(tmp_path: Path, inspector: Inspector) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65_536
            yield bytes(65_536)

    with pytest.raises(TooLarge, match="1048576"):
        into(tmp_path, inspector, endless())
    assert taken <= 2**20 + 65_536


def test_a_body_that_is_cut_off_leaves_nothing(tmp_path: Path, inspector: Inspector) -> None:
    class Gone(Exception):
        pass

    async def cut() -> AsyncIterator[bytes]:
        yield bytes(700_000)
        yield b""
        raise Gone

    with pytest.raises(UploadCutOff):
        into(tmp_path, inspector, until_cut_off(cut(), Gone))


def test_a_failure_that_is_no_disconnect_passes(tmp_path: Path, inspector: Inspector) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        into(tmp_path, inspector, until_cut_off(broken(), EOFError))


@pytest.fixture
def disk_of_100_000_bytes() -> Iterator[None]:
    """No file of this process may grow beyond that, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("disk_of_100_000_bytes")
@pytest.mark.parametrize("sizes", [[150_000], [99_000, 2_000], [2**21, 2**21]])
def test_a_disk_that_fills_up_is_our_fault_and_never_a_shorter_file(
    tmp_path: Path, inspector: Inspector, sizes: list[int]
) -> None:
    """The write that fills it takes a part without an error: the last piece must not be believed."""
    with pytest.raises(OutOfSpace):
        into(
            tmp_path,
            inspector,
            stream([bytes(size) for size in sizes]),
            limits=replace(LIMITS, max_tarball_bytes=2**23),
        )


def test_who_waits_for_a_thread_waits_however_often_it_is_cancelled() -> None:
    """Shutting down cancels twice; a file closed under its thread would give another upload's bytes this name."""
    release = threading.Event()

    async def main() -> bool:
        thread = asyncio.get_running_loop().run_in_executor(None, release.wait, 10)
        waiting = asyncio.create_task(ended(thread))
        for _ in range(3):
            await asyncio.sleep(0.01)
            waiting.cancel()
        await asyncio.sleep(0.01)
        ended_early = waiting.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert thread.done()
        return ended_early

    assert not asyncio.run(main())


def test_a_write_that_is_under_way_ends_before_a_cancelled_upload_does() -> None:
    """The thread uses the descriptor: closed too early, the bytes would go to another file."""
    reader, writer = os.pipe()
    out = os.fdopen(writer, "wb", buffering=0)
    content = bytes(4 * 2**20)

    async def main() -> None:
        writing = asyncio.create_task(_Writer(out, None).write_all(stream([content, content])))
        await asyncio.to_thread(os.read, reader, 1)
        writing.cancel()
        ended_early, _ = await asyncio.wait([writing], timeout=0.2)
        await asyncio.to_thread(_take, reader, len(content) - 1)
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert not ended_early

    with out, os.fdopen(reader, "rb", buffering=0):
        asyncio.run(main())


def _take(fd: int, count: int) -> None:
    while count:
        count -= len(os.read(fd, count))


# Time ----------------------------------------------------------------------------------------


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    out = io.BytesIO()
    async for chunk in chunks:
        out.write(chunk)
    return out.getvalue()


async def drip(count: int, pause_s: float, size: int = 1) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(pause_s)
        yield bytes(size)


def timing(chunks: Callable[[], AsyncIterator[bytes]], limits: ReceiveLimits) -> bytes:
    async def main() -> bytes:
        return await _all(timed(chunks(), limits, max_bytes=10**8))

    return asyncio.run(main())


def test_a_body_that_comes_fast_enough_passes() -> None:
    limits = replace(LIMITS, idle_timeout_s=2, rate_grace_s=0.01, min_rate_bytes_per_s=10)
    assert timing(lambda: drip(5, 0.01, 100), limits) == bytes(500)


def test_a_body_that_pauses_too_long_is_refused() -> None:
    async def pausing() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)
        yield b"y"

    with pytest.raises(UploadTooSlow, match="Nothing came"):
        timing(pausing, replace(LIMITS, idle_timeout_s=0.05))


def test_a_body_without_end_is_refused_although_it_does_not_say_its_length() -> None:
    with pytest.raises(TooLarge, match="100000000 bytes"):
        timing(lambda: drip(200, 0, 10**6), LIMITS)


def test_a_body_that_drips_is_refused() -> None:
    with pytest.raises(UploadTooSlow, match="slower than 1000 bytes a second"):
        timing(lambda: drip(100, 0.01), replace(LIMITS, rate_grace_s=0.05, min_rate_bytes_per_s=1000))


def test_a_slow_start_is_forgiven() -> None:
    assert timing(lambda: drip(3, 0.01), replace(LIMITS, rate_grace_s=5, min_rate_bytes_per_s=10**6)) == bytes(3)


def test_a_body_that_takes_too_long_is_refused_however_fast_it_comes() -> None:
    with pytest.raises(UploadTooSlow, match="An upload may take"):
        timing(lambda: drip(100, 0.01, 10**6), replace(LIMITS, upload_timeout_s=0.05))


def test_whoever_waits_for_the_body_may_be_cancelled() -> None:
    async def main() -> None:
        reading: asyncio.Task[bytes] = asyncio.create_task(_all(timed(drip(1, 60), LIMITS, max_bytes=1)))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
