"""`release-service modules`: which modules there are, who may publish them, and how."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from release_service import doap
from release_service.authorize.stewards import operator
from release_service.cli.database import login, service
from release_service.db import modules, persons
from release_service.db.modules import Registered
from release_service.errors import BadChange, Refused, shown
from release_service.identity.gitlab_api import GitLabApi
from release_service.publish import Service
from release_service.rights import Change, change
from release_service.rights.blocks import EVERYTHING, Block, Unblock
from release_service.rights.maintainers import AllowPerson, DenyPerson
from release_service.rights.names import MakeAlias, Register
from release_service.rights.publishers import AllowProject, DenyProject
from release_service.rights.rules import SetSignatures, SetTagPattern
from release_service.settings import Settings
from release_service.tarball import parse_module

app = typer.Typer(no_args_is_help=True, help="Modules, and who may publish them.")

Name = Annotated[str, typer.Argument(help="The module, as its tarballs are called: gtk, NetworkManager.")]
NameOrAll = Annotated[str, typer.Argument(help="The module; or '*', for everything.")]
Project = Annotated[str | None, typer.Option(help="Path of a GitLab project, GNOME/gtk.")]
ProjectId = Annotated[int | None, typer.Option(help="Its numeric id; without ids GitLab is asked for them.")]
NamespaceId = Annotated[int | None, typer.Option(help="The numeric id of its namespace.")]
Person = Annotated[str | None, typer.Option(help="A login that the SSO has shown us; or see --subject.")]
Subject = Annotated[str | None, typer.Option(help="The SSO's own name for a person (sub).")]
Environment = Annotated[str | None, typer.Option(help="The deployment environment that its jobs name; '' for any.")]
Reason = Annotated[str, typer.Option(help="Why; the module's maintainers read it.")]


@app.command()
def add(
    name: Name,
    project: Project = None,
    project_id: ProjectId = None,
    namespace_id: NamespaceId = None,
    environment: Annotated[
        str | None, typer.Option(help="The environment that its jobs must name; '' for none.")
    ] = None,
    alias: Annotated[list[str] | None, typer.Option(help="An old name that it is published under, too.")] = None,
) -> None:
    """Register a module; with a project, pin the module to it, or confirm that project's new path."""
    with service() as built:
        parse_module(name)
        allowed = _project(project, project_id, namespace_id, environment) if project or project_id else None
        _change(built, name, Register())
        if allowed is not None:
            _change(built, name, allowed)
        for old in alias or []:
            _change(built, old, MakeAlias(name))


@app.command()
def allow(  # noqa: PLR0913, PLR0917 - an option each
    name: NameOrAll,
    project: Project = None,
    project_id: ProjectId = None,
    namespace_id: NamespaceId = None,
    environment: Annotated[
        str | None, typer.Option(help="The environment that its jobs must name; '' for none.")
    ] = None,
    person: Person = None,
    subject: Subject = None,
) -> None:
    """Let a project publish the module, or a person maintain it; with neither, lift the module's block."""
    with service() as built:
        if name == EVERYTHING:
            _change(built, name, Unblock(*_subject(built, project_id, person, subject)))
        elif project or project_id:
            allowed = _project(project, project_id, namespace_id, environment)
            _change(built, name, allowed, Unblock(allowed.issuer, f"project:{allowed.project_id}"))
        elif person or subject:
            issuer, found, called = _person(built, person, subject)
            _change(built, name, AllowPerson(issuer, found, called), Unblock(issuer, found))
        else:
            _change(built, name, Unblock())


@app.command()
def deny(
    name: NameOrAll,
    reason: Reason,
    project_id: ProjectId = None,
    person: Person = None,
    subject: Subject = None,
) -> None:
    """Take the right of a project or a person away, and block them; with neither, block the module for everybody."""
    with service() as built:
        if name == EVERYTHING:
            _change(built, name, Block(reason, *_subject(built, project_id, person, subject)))
        elif project_id:
            _change(built, name, DenyProject(Settings().gitlab_issuer, str(project_id), reason))
        elif person or subject:
            issuer, found, _ = _person(built, person, subject)
            _change(built, name, DenyPerson(issuer, found), Block(reason, issuer, found))
        else:
            _change(built, name, Block(reason))


@app.command("set")
def set_(
    name: Name,
    tag_pattern: Annotated[str | None, typer.Option(help="Words, as in release-{version}; '' for none.")] = None,
    signatures: Annotated[str | None, typer.Option(help="optional, required, or '' for the instance's rule.")] = None,
) -> None:
    """Change which tags say the module's version, or whether a signature must come along."""
    with service() as built:
        if tag_pattern is not None:
            _change(built, name, SetTagPattern(tag_pattern))
        if signatures is not None:
            _change(built, name, SetSignatures(signatures))


@app.command("list")
def list_() -> None:
    """Print each module, the projects and persons that may publish it, and what is special about it."""
    with service() as built:
        # First read, then print: a pager that waits must hold no transaction open.
        with built.transactions.read() as session:
            lines = ["\t".join(_line(modules.look_up(session, name))) for name in modules.names(session)]
            blocks = modules.look_up(session, EVERYTHING).blocks
        lines += [f"{EVERYTHING}\t-\t-\tblocked: {shown(block.subject)}" for block in blocks]
        for line in lines:
            typer.echo(line)


def _line(found: Registered) -> list[str]:
    projects = ", ".join(f"{publisher.project_path} ({publisher.project_id})" for publisher in found.publishers)
    people = ", ".join(shown(maintainer.person.login, 40) for maintainer in found.maintainers)
    notes = [f"alias of {found.home_name}"] if found.home_name != found.name else []
    if found.home is not None:
        notes += [f"tags {found.home.tag_pattern}"] if found.home.tag_pattern else []
        notes += [f"signatures {found.home.signatures}"] if found.home.signatures else []
    notes += [
        f"blocked: {shown(block.subject or 'everybody')}" for block in found.blocks if block.module_id is not None
    ]
    return [found.name, projects or "-", people or "-", "; ".join(notes) or "-"]


@app.command("import-doap")
def import_doap(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A directory of *.doap files.")],
    subjects: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The SSO's users as JSON: [{id, username}, ...].")
    ] = None,
) -> None:
    """Register the modules of a directory of DOAP files, with their maintainers.

    A maintainer is added if --subjects knows the gnome:userid, or if exactly one person has signed
    in under it; the others are printed, and come with the next import.  Nothing is taken away.
    """
    with service() as built:
        known = doap.subjects(subjects.read_bytes()) if subjects else {}
        for file in sorted(filter(Path.is_file, directory.rglob("*.doap"))):
            try:
                described = doap.parse(file.read_bytes())
            except Refused as refusal:
                typer.echo(f"{file.name}: not read: {refusal.detail}", err=True)
                continue
            for name in described.modules:
                _import(built, name, described.userids, known)
            if not described.modules:
                typer.echo(f"{file.name}: names no download-page below /sources/: skipped", err=True)


def _import(built: Service, name: str, userids: list[str], known: dict[str, str]) -> None:
    try:
        _change(built, name, Register())
        for userid in userids:
            try:
                issuer, subject, called = _person(built, userid, known.get(userid))
            except BadChange as unknown:
                typer.echo(f"{name}: {unknown.detail}", err=True)
                continue
            _change(built, name, AllowPerson(issuer, subject, called))
    except Refused as refusal:
        typer.echo(f"{shown(name)}: {refusal.detail}", err=True)


def _change(built: Service, name: str, *wanted: Change) -> None:
    """Make the changes, the first of which is what was typed, and tell what is different now."""
    made = change(built, operator(login(), name), *wanted)
    for sentence in made or [f"{wanted[0]} (as before)"]:
        typer.echo(f"{name}: {sentence}.")


def _project(path: str | None, id_: int | None, namespace_id: int | None, environment: str | None) -> AllowProject:
    """Return the project, by what was given, or by what GitLab tells of it."""
    settings = Settings()
    if path and id_ and namespace_id:
        return AllowProject(settings.gitlab_issuer, str(id_), str(namespace_id), path, environment)
    if namespace_id or (path and id_):
        raise typer.BadParameter("--project-id and --namespace-id go together with --project; or give --project alone")
    found = asyncio.run(GitLabApi(settings.gitlab_api).project(path or str(id_)))
    typer.echo(f"GitLab says: {found.path} has the id {found.project_id}, in namespace {found.namespace_id}.")
    return AllowProject(settings.gitlab_issuer, found.project_id, found.namespace_id, found.path, environment)


def _subject(built: Service, project_id: int | None, person: str | None, subject: str | None) -> tuple[str, str]:
    """Return issuer and subject, as blocks name them."""
    if project_id:
        return Settings().gitlab_issuer, f"project:{project_id}"
    if not (person or subject):
        raise typer.BadParameter("'*' goes together with --project-id, --person or --subject")
    return _person(built, person, subject)[:2]


def _person(built: Service, name: str | None, subject: str | None) -> tuple[str, str, str]:
    """Return issuer, subject and login of one person; a login alone must be that of exactly one whom we have seen."""
    issuer = Settings().sso_issuer
    if issuer is None:
        raise BadChange("There is no SSO (RELEASE_SERVICE_SSO_ISSUER), so nobody can be named.")
    if subject:
        return issuer, subject, name or subject
    with built.transactions.read() as session:
        found = persons.only_one(session, issuer, name or "")
        return issuer, found.subject, found.login
