"""Who may publish what: modules are pinned to the project that claimed them first."""

from collections.abc import Callable

from builders import a_tarball
from release_service.db import modules
from release_service.demo.gitlab import StandInGitLab
from uploads import Environment, Uploads, make_uploads

NAME = "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)


def test_a_case_twin_of_a_registered_module_is_refused(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_uploads(environment_of("embedded"), gitlab) as uploads:
        uploads.post("GLib-2.80.0.tar.xz", a_tarball("GLib-2.80.0.tar.xz"))
        keys, rows = uploads.stored(), uploads.rows()
        answer = uploads.post("glib-2.80.1.tar.xz", a_tarball("glib-2.80.1.tar.xz"))
        assert (answer.status_code, "(case_twin)" in answer.text) == (400, True)
        assert (uploads.stored(), uploads.rows()) == (keys, rows)


def test_a_project_that_was_renamed_or_made_anew_is_told_so(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_uploads(environment_of("embedded"), gitlab, trusted_namespaces=("GNOME", "World")) as uploads:
        uploads.post(NAME, GOOD)
        keys = uploads.stored()
        later = "gtk-4.18.2.tar.xz"
        moved, recreated = "(project_moved)", "(project_recreated)"
        for claims, code in (
            ({"project": "World/gtk"}, moved),
            ({"project_id": "77"}, recreated),
            ({"namespace_id": "9"}, moved),
        ):
            answer = uploads.post(later, a_tarball(later), **claims)
            assert (answer.status_code, code in answer.text) == (403, True), answer.text
        assert uploads.stored() == keys


def test_a_sandbox_takes_unprotected_refs_and_says_what_it_is(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_uploads(environment_of("embedded"), gitlab, sandbox=True) as uploads:
        answer = uploads.post(NAME, GOOD, ref_protected="false", ref_type="branch", ref="main")
        assert answer.status_code == 201
        assert answer.text.startswith("SANDBOX")


def test_a_registered_project_publishes_a_module_of_another_name(uploads: Uploads) -> None:
    name = "gtk+-3.24.52.tar.xz"
    assert uploads.post(name, a_tarball(name), project="GNOME/gtk").status_code == 403
    with uploads.parts.service.transactions.begin() as session:
        now = uploads.parts.service.now()
        module = modules.ensure(session, "gtk+", now)
        modules.pin(session, module, now, project_id="1665", namespace_id="8", project_path="GNOME/gtk")
    assert uploads.post(name, a_tarball(name), project="GNOME/gtk").status_code == 201


def test_the_issuer_being_down_is_no_fault_of_the_token(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab
) -> None:
    with make_uploads(environment_of("embedded"), gitlab) as uploads:
        gitlab.is_down = True
        try:
            answer = uploads.post(NAME, GOOD)
        finally:
            gitlab.is_down = False
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert uploads.stored() == []
