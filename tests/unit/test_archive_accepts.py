"""Archives that are odd and good: refusing one of these would stop a release."""

import asyncio
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import (
    COMPRESS,
    END,
    TOP,
    directory,
    file,
    good,
    hardlink,
    look,
    look_at,
    symlink,
)
from odd_archives import GOOD, GOOD_COMPRESSED, LONG
from release_service.archive import Inspection, Limits
from release_service.archive.inspector import Inspecting, Inspector, _inspection
from release_service.errors import BadArchive, Unavailable
from release_service.tarball import TarballName

NAME = TarballName.parse(f"{TOP}.tar.gz")
MIB = 1024 * 1024


def listed(path: str, content: bytes, mode: str = "100644") -> bytes:
    return f"{mode} {hashlib.sha256(content).hexdigest()}  {path}\n".encode()


GOOD_LISTING = listed(f"{TOP}/meson.build", b"content\n")


@pytest.mark.parametrize("archive", GOOD.values(), ids=GOOD)
def test_an_odd_but_good_archive_is_accepted_without_a_word(archive: bytes) -> None:
    found = look(archive)
    assert found.warnings == ()
    assert found.expanded_bytes == len(archive)


@pytest.mark.parametrize(("compression", "content"), GOOD_COMPRESSED.values(), ids=GOOD_COMPRESSED)
@pytest.mark.parametrize("piece", [1, 7, 65_536])
def test_an_odd_but_good_compression_is_accepted_in_pieces_of_any_size(
    compression: str, content: bytes, piece: int
) -> None:
    found = look_at(content, compression=compression, piece=piece)
    assert found == Inspection(members=2, expanded_bytes=len(good() + END), listing=GOOD_LISTING)


@given(st.integers(1, 5000), st.sampled_from(sorted(COMPRESS)))
def test_the_size_of_the_pieces_does_not_matter(piece: int, compression: str) -> None:
    archive = good() + file(f"{TOP}/NEWS", b"news\n" * 300) + END
    found = look(archive, compression=compression, piece=piece)
    news = b"news\n" * 300
    listing = GOOD_LISTING + listed(f"{TOP}/NEWS", news)
    assert found == Inspection(3, len(archive), texts={"NEWS": news}, listing=listing)


def test_what_git_archive_writes_is_accepted(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> bytes:
        identity = ["-c", "user.name=m", "-c", "user.email=m@gnome.example"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True
        ).stdout

    git("init", "-q")
    (tmp_path / "NEWS").write_text("news\n")
    (tmp_path / LONG).parent.mkdir(parents=True)
    (tmp_path / LONG).write_text("long\n")
    (tmp_path / "link").symlink_to("NEWS")
    git("add", ".")
    git("commit", "-qm", "one")
    found = look(git("archive", f"--prefix={TOP}/", "HEAD"))
    assert found.texts == {"NEWS": b"news\n"}
    assert found.warnings == ()


@pytest.mark.parametrize("archive_format", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_what_gnu_tar_writes_is_accepted(tmp_path: Path, archive_format: str) -> None:
    source = tmp_path / TOP
    source.mkdir()
    (source / "ChangeLog").write_text("changes\n")
    (source / "sub").mkdir()
    (source / "sub/link").symlink_to("../ChangeLog")
    os.link(source / "ChangeLog", source / "twin")
    done = subprocess.run(
        ["tar", "-C", tmp_path, "--sort=name", f"--format={archive_format}", "-cf", "-", TOP],
        check=True,
        capture_output=True,
    )
    found = look(done.stdout)
    assert found.texts == {"ChangeLog": b"changes\n"}
    assert found.warnings == ()
    assert found.members == 5


def test_names_that_differ_in_case_only_are_a_warning() -> None:
    found = look(file(f"{TOP}/Makefile") + file(f"{TOP}/makefile") + file(f"{TOP}/makefile.am") + END)
    assert found.warnings == (f"{TOP}/makefile differs from another member in upper and lower case only",)


@pytest.mark.parametrize("target", ["subprojects/not/there", "../" + TOP + "/none"])
def test_a_symlink_to_nothing_is_a_warning(target: str) -> None:
    found = look(good() + symlink(f"{TOP}/link", target) + END)
    assert found.warnings == (f"{TOP}/link is a symbolic link to nothing in the archive",)


def test_two_directories_that_differ_in_case_only_are_one_warning() -> None:
    found = look(file(f"{TOP}/Src/a") + file(f"{TOP}/src/a") + file(f"{TOP}/src/b") + END)
    assert found.warnings == (f"{TOP}/src differs from another member in upper and lower case only",)


def test_a_hundred_warnings_are_said_and_the_rest_is_counted() -> None:
    found = look(b"".join(symlink(f"{TOP}/{number}", "nothing") for number in range(103)) + END)
    assert len(found.warnings) == 101
    assert found.warnings[-1] == "and 3 more like these"


def test_the_listing_has_gits_mode_and_the_digest_of_each_file_and_link() -> None:
    archive = (
        good()
        + file(f"{TOP}/configure", b"#!", mode=0o775)
        + file(f"{TOP}/empty", b"")
        + symlink(f"{TOP}/link", "meson.build")
        + hardlink(f"{TOP}/twin", f"{TOP}/configure")
        + END
    )
    assert look(archive).listing == (
        GOOD_LISTING
        + listed(f"{TOP}/configure", b"#!", "100755")
        + listed(f"{TOP}/empty", b"")
        + listed(f"{TOP}/link", b"meson.build", "120000")
        + listed(f"{TOP}/twin", b"#!")
    )


def test_the_texts_are_those_of_the_top_directory_only() -> None:
    found = look(
        file(f"{TOP}/NEWS", b"news") + file(f"{TOP}/po/ChangeLog", b"po") + file(f"{TOP}/ChangeLog", b"") + END
    )
    assert found.texts == {"NEWS": b"news", "ChangeLog": b""}


@pytest.mark.parametrize("member", [directory(f"{TOP}/NEWS"), symlink(f"{TOP}/NEWS", "a"), file(f"{TOP}/NEWS.md")])
def test_what_is_no_file_called_news_is_no_text(member: bytes) -> None:
    assert look(member + END).texts == {}


def test_a_text_that_is_too_long_is_left_out_with_a_warning() -> None:
    found = look(file(f"{TOP}/NEWS", b"x" * 1001) + file(f"{TOP}/a") + END, limits=Limits(text_bytes=1000))
    assert found.texts == {}
    assert found.warnings == ("NEWS is longer than 1000 bytes: its news is not published",)
    assert found.members == 2


def test_a_text_as_long_as_allowed_is_kept() -> None:
    found = look(file(f"{TOP}/NEWS", b"x" * 1000) + END, limits=Limits(text_bytes=1000))
    assert found.texts == {"NEWS": b"x" * 1000}


# The process ---------------------------------------------------------------------------------


@pytest.fixture
def inspector() -> Inspector:
    return Inspector(Limits())


@pytest.fixture
def received(tmp_path: Path) -> Iterator[BinaryIO]:
    """A file without a name, as uploads are received into."""
    with tempfile.TemporaryFile(dir=tmp_path, buffering=0) as staging:
        yield staging


def _whole() -> tuple[bytes, Inspection]:
    noise = os.urandom(9 * MIB)
    news = b"news\n\n\0{}"
    archive = good() + file(f"{TOP}/noise", noise) + file(f"{TOP}/NEWS", news) + END
    listing = GOOD_LISTING + listed(f"{TOP}/noise", noise) + listed(f"{TOP}/NEWS", news)
    return COMPRESS["gz"](archive), Inspection(4, len(archive), texts={"NEWS": news}, listing=listing)


def test_the_process_finds_in_a_whole_file_what_is_there(inspector: Inspector, received: BinaryIO) -> None:
    content, expected = _whole()
    received.write(content)
    with closing(_Ending(asyncio.run(inspector.begin(NAME, received.fileno())))) as inspecting:
        assert inspecting.result(len(content)) == expected


def test_the_process_finds_in_a_growing_file_what_is_there(inspector: Inspector, received: BinaryIO) -> None:
    content, expected = _whole()
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    for start in range(0, len(content), 100_000):
        received.write(content[start : start + 100_000])
        inspecting.grown(min(start + 100_000, len(content)))
    assert inspecting.result(len(content)) == expected


def test_the_process_does_not_read_beyond_what_it_was_told(inspector: Inspector, received: BinaryIO) -> None:
    """What lies behind may be half-written: only the size that was told counts."""
    content = COMPRESS["gz"](good() + END)
    received.write(content + b"junk that is not told of")
    inspecting = asyncio.run(inspector.begin(NAME, received.fileno()))
    assert inspecting.result(len(content)).members == 2


def test_the_process_refuses_with_the_rules_class_once(inspector: Inspector, received: BinaryIO) -> None:
    content = COMPRESS["gz"](file("/etc/passwd") + END)
    received.write(content)
    with pytest.raises(BadArchive, match=r"absolute path. \[PATH_ABS\]\Z") as caught:
        asyncio.run(inspector.begin(NAME, received.fileno())).result(len(content))
    assert caught.value.rule == "PATH_ABS"
    assert caught.value.detail.count("PATH_ABS") == 1


def test_a_file_that_is_refused_while_it_grows_is_refused_at_its_end(inspector: Inspector, received: BinaryIO) -> None:
    content = COMPRESS["gz"](file(f"{TOP}/../x") + file(f"{TOP}/noise", os.urandom(9 * MIB)) + END)
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    received.write(content)
    inspecting.grown(5 * MIB)
    inspecting._process.wait(30)
    inspecting.grown(len(content))
    with pytest.raises(BadArchive, match="PATH_DOTDOT"):
        inspecting.result(len(content))


def test_an_empty_file_is_refused_by_the_process(inspector: Inspector, received: BinaryIO) -> None:
    with pytest.raises(BadArchive, match="FORMAT"):
        asyncio.run(inspector.begin(NAME, received.fileno())).result(0)


def test_the_process_ends_when_the_upload_is_given_up(inspector: Inspector, received: BinaryIO) -> None:
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    process = inspecting._process
    assert process.poll() is None
    inspecting.end()
    inspecting.end()
    assert process.returncode is not None


def test_the_process_ends_by_itself_when_its_parent_is_gone(inspector: Inspector, received: BinaryIO) -> None:
    """Killed with SIGKILL, a parent ends nothing: all the process sees is that its input closes."""
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    assert inspecting._process.stdin is not None
    inspecting._process.stdin.close()
    assert inspecting._process.wait(30) == 1
    inspecting.end()


def test_one_early_turn_is_given_at_a_time(inspector: Inspector, received: BinaryIO) -> None:
    first = inspector.early(NAME, received.fileno())
    assert first is not None
    assert inspector.early(NAME, received.fileno()) is None
    first.end()
    first.end()  # gives back one turn, not two
    second = inspector.early(NAME, received.fileno())
    assert second is not None
    assert inspector.early(NAME, received.fileno()) is None
    second.end()


def test_a_slow_early_upload_does_not_hold_up_a_whole_one(inspector: Inspector, received: BinaryIO) -> None:
    slow = inspector.early(NAME, received.fileno())
    assert slow is not None
    content = COMPRESS["gz"](good() + END)
    received.write(content)
    assert asyncio.run(inspector.begin(NAME, received.fileno())).result(len(content)).members == 2
    slow.end()


def test_a_refusal_gives_the_turn_back(inspector: Inspector, received: BinaryIO) -> None:
    for _ in range(2):
        inspecting = inspector.early(NAME, received.fileno())
        assert inspecting is not None
        with pytest.raises(BadArchive):
            inspecting.result(0)


def test_whole_files_are_inspected_as_many_at_once_as_there_are_cores(inspector: Inspector, received: BinaryIO) -> None:
    running = [asyncio.run(inspector.begin(NAME, received.fileno())) for _ in range(os.cpu_count() or 1)]
    with ThreadPoolExecutor(1) as together:
        waiting = together.submit(lambda: asyncio.run(inspector.begin(NAME, received.fileno())))
        time.sleep(0.1)
        assert not waiting.done()
        running[0].end()
        running.append(waiting.result(30))
    for inspecting in running:
        inspecting.end()


def test_a_process_that_cannot_start_gives_the_turn_back(inspector: Inspector, received: BinaryIO) -> None:
    with pytest.raises(OSError, match=r"Bad file descriptor|fds_to_keep"):
        inspector.early(NAME, 99_999)
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    inspecting.end()


def test_the_process_has_no_environment(
    inspector: Inspector, received: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEASE_SERVICE_SESSION_SECRET", "hunter2")
    inspecting = inspector.early(NAME, received.fileno())
    assert inspecting is not None
    process = Path(f"/proc/{inspecting._process.pid}")
    while b"release_service" not in (process / "cmdline").read_bytes():
        time.sleep(0.001)  # the kernel shows neither before the program has begun
    assert b"hunter2" not in (process / "environ").read_bytes()
    inspecting.end()


def test_a_process_that_used_up_its_time_refuses_the_archive() -> None:
    with pytest.raises(BadArchive, match="BOMB_TIME"):
        _inspection(b"", -signal.SIGXCPU)


def test_a_process_that_the_kernel_killed_is_not_the_uploaders_fault() -> None:
    with pytest.raises(Unavailable):
        _inspection(b"", -signal.SIGKILL)


def test_a_process_that_crashed_is_our_bug_and_no_refusal() -> None:
    with pytest.raises(RuntimeError, match="status 1"):
        _inspection(b"", 1)


class _Ending:
    """An inspection that is ended whatever happens."""

    def __init__(self, inspecting: Inspecting) -> None:
        self.result = inspecting.result
        self.close = inspecting.end


def test_an_inspection_may_be_ended_while_its_result_is_awaited(inspector: Inspector, received: BinaryIO) -> None:
    """The request is cancelled while a thread waits: the thread must come back."""
    content = COMPRESS["gz"](good() + file(f"{TOP}/noise", os.urandom(4 * MIB)) + END)
    received.write(content)
    inspecting = asyncio.run(inspector.begin(NAME, received.fileno()))
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(inspecting.result(len(content)))
        except (BadArchive, RuntimeError, ValueError, OSError) as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    inspecting.end()
    thread.join(30)
    assert len(outcome) == 1
