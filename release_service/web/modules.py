"""Modules over HTTP: what the registry knows, and changes by those who may.

Each change is one of `rights`, made under a `Steward`: signed in by the SSO, and an administrator,
of the release team, or a maintainer of the module.
"""

from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from release_service.authorize.stewards import Steward, steward
from release_service.db import modules, persons
from release_service.db.modules import Registered
from release_service.errors import BadChange, NotFound, shown
from release_service.identity.sso import Person
from release_service.rights import Change, change
from release_service.rights.blocks import EVERYTHING, Block, Unblock
from release_service.rights.maintainers import AllowPerson, DenyPerson
from release_service.rights.names import MakeAlias, Register
from release_service.rights.publishers import AllowProject, DenyProject
from release_service.rights.rules import SetSignatures, SetTagPattern
from release_service.web.admission import counted
from release_service.web.callers import a_person, begin, know, parts_of
from release_service.web.questions import small_object
from release_service.wiring import Parts

router = APIRouter(prefix="/api/v1/modules")

_PAGE, _LONGEST_PAGE = 100, 1000


@router.get("", summary="The names of all modules, a page at a time")
async def list_modules(request: Request, after: str = "", limit: str = str(_PAGE)) -> Response:
    """Answer with the names above *after*, at most *limit*; `next` leads on, null at the end."""
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= _LONGEST_PAGE):
        raise BadChange(f"`limit` is a number from 1 to {_LONGEST_PAGE}.")
    most = int(limit)
    names = await run_in_threadpool(_names, parts_of(request), _plain(after), most + 1)
    page = names[:most]
    return JSONResponse({"modules": page, "next": page[-1] if len(names) > most else None})


def _names(parts: Parts, after: str, limit: int) -> list[str]:
    with parts.service.transactions.read() as session:
        return modules.names(session, after, limit)


@router.get("/{module}", summary="Who may publish a module, and how")
async def get_module(request: Request, module: str) -> Response:
    """Answer for anybody: who may publish what is no secret."""
    return JSONResponse(await run_in_threadpool(_described, parts_of(request), _plain(module)))


@router.put("/{module}", summary="Register a module, or an old name of one (alias_of)")
async def put_module(request: Request, module: str) -> Response:
    """Take {alias_of?}; administrators only."""
    person, asked = await _asked(request, module)
    of = _text(asked, "alias_of", "")
    return await _changed(request, person, module, MakeAlias(of) if of else Register())


@router.patch("/{module}", summary="Change which tags say the version, or the signature policy")
async def patch_module(request: Request, module: str) -> Response:
    """Take {tag_pattern?, signatures?}; "" takes the usual again.  Only administrators loosen the signature policy."""
    person, asked = await _asked(request, module)
    wanted: list[Change] = []
    if "tag_pattern" in asked:
        wanted.append(SetTagPattern(_text(asked, "tag_pattern")))
    if "signatures" in asked:
        wanted.append(SetSignatures(_text(asked, "signatures")))
    return await _changed(request, person, module, *wanted)


@router.put("/{module}/publishers/{project_id}", summary="Let a GitLab project publish it")
async def put_publisher(request: Request, module: str, project_id: str) -> Response:
    """Take {project_path?, namespace_id?, environment?}; GitLab is asked for what is not given."""
    person, asked = await _asked(request, module)
    settings = parts_of(request).settings
    namespace_id, path = _text(asked, "namespace_id", ""), _text(asked, "project_path", "")
    if not (namespace_id and path):
        if not (project_id.isascii() and project_id.isdigit()):
            raise BadChange("A project is named by its numeric id.")
        await run_in_threadpool(_right, parts_of(request), person, module, request.state.request_id)
        found = await parts_of(request).proofs.gitlab_api.project(project_id)
        namespace_id, path = found.namespace_id, found.path
    environment = _text(asked, "environment") if "environment" in asked else None
    wanted = AllowProject(settings.gitlab_issuer, project_id, namespace_id, path, environment)
    return await _changed(request, person, module, wanted)


@router.delete("/{module}/publishers/{project_id}", summary="Take a project's right away")
async def delete_publisher(request: Request, module: str, project_id: str) -> Response:
    """Take {reason}; the project is kept from claiming the module again."""
    person, asked = await _asked(request, module)
    issuer = parts_of(request).settings.gitlab_issuer
    return await _changed(request, person, module, DenyProject(issuer, _plain(project_id), _text(asked, "reason")))


@router.post("/{module}/maintainers", summary="Let a person maintain it, by the login that they have signed in with")
async def post_maintainer(request: Request, module: str) -> Response:
    """Take {login} of exactly one person who has signed in, or {subject}."""
    person, asked = await _asked(request, module)
    subject = _text(asked, "subject", "")
    if not subject:
        subject = await run_in_threadpool(_subject, parts_of(request), person.issuer, _text(asked, "login"))
    return await _changed(request, person, module, AllowPerson(person.issuer, subject))


@router.delete("/{module}/maintainers/{subject}", summary="Take a maintainer's right away")
async def delete_maintainer(request: Request, module: str, subject: str) -> Response:
    """Take nothing; also one's own right."""
    person = await _begin(request, module)
    return await _changed(request, person, module, DenyPerson(person.issuer, _plain(subject)))


@router.put("/{module}/block", summary="Let nobody publish it, or one subject not")
async def put_block(request: Request, module: str) -> Response:
    """Take {reason, issuer?, subject?}; administrators only."""
    person, asked = await _asked(request, module)
    wanted = Block(_text(asked, "reason"), _text(asked, "issuer", ""), _text(asked, "subject", ""))
    return await _changed(request, person, module, wanted)


@router.delete("/{module}/block", summary="Lift a block")
async def delete_block(request: Request, module: str) -> Response:
    """Take {issuer?, subject?}; administrators only."""
    person, asked = await _asked(request, module)
    return await _changed(request, person, module, Unblock(_text(asked, "issuer", ""), _text(asked, "subject", "")))


async def _begin(request: Request, module: str) -> Person:
    begin(request, "rights")
    person = await a_person(request)
    know(request, module=_plain(module))
    await counted(request, person)
    return person


async def _asked(request: Request, module: str) -> tuple[Person, dict[str, Any]]:
    person = await _begin(request, module)
    return person, await small_object(request)


def _text(asked: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return the member *name*; it may be left out if there is a *default*, and be empty unless it is a reason."""
    value = asked.get(name, default)
    is_missing = name == "reason" and not value
    if not isinstance(value, str) or is_missing:
        raise BadChange(f"`{name}` is text of at most {modules.LONGEST_REASON} characters.")
    return _plain(value)


def _plain(text: str) -> str:
    """Return what can be kept and shown; raises BadChange for control characters, halves of characters, and novels."""
    if len(text) > modules.LONGEST_REASON or not text.isprintable():
        raise BadChange(f"{shown(text, 60)!r} is not printable text of at most {modules.LONGEST_REASON} characters.")
    return text


async def _changed(request: Request, person: Person, module: str, *wanted: Change) -> Response:
    said = await run_in_threadpool(_change, parts_of(request), person, module, wanted, request.state.request_id)
    return JSONResponse(said)


def _change(parts: Parts, person: Person, module: str, wanted: tuple[Change, ...], request_id: str) -> dict[str, Any]:
    made = change(parts.service, _right(parts, person, module, request_id), *wanted)
    return {"changes": made, "module": None if module == EVERYTHING else _described(parts, module)}


def _right(parts: Parts, person: Person, module: str, request_id: str) -> Steward:
    with parts.service.transactions.read() as session:
        return steward(session, person, module, parts.service.policy, request_id)


def _subject(parts: Parts, issuer: str, login: str) -> str:
    with parts.service.transactions.read() as session:
        return persons.only_one(session, issuer, login).subject


def _described(parts: Parts, name: str) -> dict[str, Any]:
    with parts.service.transactions.read() as session:
        found = modules.look_up(session, name)
        if found.home is None:
            raise NotFound(f"There is no module {shown(name)}.", remedy="Look at /api/v1/modules for those there are.")
        aliases = [alias.name for alias in modules.aliases(session, found.home)]
    return _object(found, aliases)


def _object(found: Registered, aliases: list[str]) -> dict[str, Any]:
    return {
        "name": found.name,
        "alias_of": found.home_name if found.home_name != found.name else None,
        "aliases": [] if found.home_name != found.name else aliases,
        "publishers": [
            {name: getattr(one, name) for name in ("project_path", "project_id", "namespace_id", "environment")}
            for one in found.publishers
        ],
        "maintainers": [
            {"login": shown(one.person.login, 255), "subject": shown(one.person.subject, 255)}
            for one in found.maintainers
        ],
        "tag_pattern": found.home.tag_pattern if found.home else None,
        "signatures": found.home.signatures if found.home else None,
        "blocked": any(not block.subject for block in found.blocks),
    }
