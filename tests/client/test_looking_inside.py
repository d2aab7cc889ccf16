"""`check` judges the archive itself, by the service's rules, in a process of its own."""

from pathlib import Path

import pytest

from builders import a_tarball, compress, tar
from release_service.client.check import judged_inside

pytestmark = pytest.mark.slow

NAME = "gtk-4.18.1.tar.xz"


def judge(content: bytes, home: Path, name: str = NAME, **verdict: object) -> dict[str, object]:
    path = home / name
    path.write_bytes(content)
    return judged_inside({"accepted": True, "reasons": [], "warnings": []} | verdict, path)


def test_a_good_archive_changes_nothing(tmp_path: Path) -> None:
    assert judge(a_tarball(NAME), tmp_path) == {"accepted": True, "reasons": [], "warnings": []}


def test_a_broken_rule_is_one_more_reason(tmp_path: Path) -> None:
    taken = {"code": "version_taken"}
    wrong = compress("xz", tar({"meson.build": b""}, "gtk-4.18.2"))
    verdict = judge(wrong, tmp_path, accepted=False, reasons=[taken])
    assert verdict["accepted"] is False
    assert [reason["code"] for reason in verdict["reasons"]] == ["version_taken", "bad_archive"]  # type: ignore[attr-defined]


def test_a_broken_rule_alone_is_a_refusal(tmp_path: Path) -> None:
    assert judge(b"no archive", tmp_path)["accepted"] is False


def test_what_is_odd_is_a_warning(tmp_path: Path) -> None:
    twins = compress("xz", tar({"README": b"", "readme": b""}, "gtk-4.18.1"))
    verdict = judge(twins, tmp_path)
    assert verdict["accepted"] is True
    assert "upper and lower case" in verdict["warnings"][0]["detail"]  # type: ignore[index]


@pytest.mark.parametrize("name", ["gtk.zip", "gtk-4.18.1.tar.zst"])
def test_what_cannot_be_read_here_is_left_to_the_service_and_that_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(b"", tmp_path, name) == {"accepted": True, "reasons": [], "warnings": []}
    assert "not looked at here" in capsys.readouterr().err
