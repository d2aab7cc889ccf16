"""Rules of the house that no linter knows."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import release_service

ROOT = Path(__file__).parent.parent.parent
MODULES = [found.name for found in pkgutil.walk_packages(release_service.__path__, "release_service.")]


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {path: path.read_text().count("\n") for path in (ROOT / "release_service").rglob("*.py")}
    assert {path: length for path, length in lengths.items() if length > 300} == {}


@pytest.mark.slow
def test_nothing_is_built_at_import() -> None:
    """No module may need a setting, a file or a connection to be imported."""
    statement = "; ".join(f"import {name}" for name in MODULES if not name.endswith("__main__"))
    subprocess.run([sys.executable, "-W", "error", "-c", statement], env={}, cwd="/", check=True)


def test_the_client_runs_without_the_services_dependencies() -> None:
    statement = (
        "import sys, release_service.client.app\n"
        "heavy = {'fastapi', 'sqlalchemy', 'boto3', 'joserfc', 'structlog', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", statement], env={"PATH": os.environ["PATH"]}, check=True)


@pytest.mark.parametrize("page", ["errors.md", "settings.md"])
def test_the_pages_that_come_from_the_code_are_up_to_date(page: str) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        generate = importlib.import_module("generate")
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / page).read_text() == generate.PAGES[page](), "run make docs"


def test_no_file_names_a_registry_or_a_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ("pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js", "deb.debian" + ".org", "/root" + "/")
    texts = {path: (ROOT / path).read_text(errors="replace") for path in tracked if not path.endswith(".png")}
    assert [path for path, text in texts.items() if any(word in text for word in words)] == []
