"""The tree over HTTP, where the store is a directory: CONTRACT.md 4, "Serving".

In production no read of the tree touches the service: the CDN reads S3.
"""

import os
from email.utils import formatdate
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from release_service import paths
from release_service.errors import NotFound, shown

# Where the same objects were, and still are for old links.
_OLD_PREFIXES = ("/pub/GNOME", "/pub/gnome")
_ROOTS = ("/sources", "/core")
_LONGEST_KEY, _LONGEST_NAME = 1024, 255


def routes(root: Path) -> list[Route]:
    """Return the routes that serve the tree below *root*."""

    async def serve(request: Request) -> Response:
        return await run_in_threadpool(_answer, root, request)

    roots = [prefix + root_ for prefix in ("", *_OLD_PREFIXES) for root_ in _ROOTS]
    patterns = [f"/{paths.ROBOTS}", *roots, *(f"{tree}/{{path:path}}" for tree in roots)]
    return [Route(pattern, serve, methods=["GET", "HEAD"], include_in_schema=False) for pattern in patterns]


def _answer(root: Path, request: Request) -> Response:
    path: str = request.scope["path"]
    key = path.removeprefix(next((old for old in _OLD_PREFIXES if path.startswith(old)), "")).lstrip("/")
    parts = key.removesuffix("/").split("/")
    # The path is decoded once, by the server: + and %2B are both a plus sign by now.
    if len(key.encode()) > _LONGEST_KEY or not all(_is_plain(part) for part in parts):
        raise NotFound(f"There is no {shown(path)}.")
    file = root.joinpath(*parts)
    if file.is_dir():
        if not path.endswith("/"):
            return RedirectResponse(f"{parts[-1]}/", 301)
        return _serve(request, file / paths.INDEX_HTML, f"{key}{paths.INDEX_HTML}")
    if path.endswith("/"):
        raise NotFound(f"There is no directory {shown(path)}.")
    return _serve(request, file, key)


def _is_plain(part: str) -> bool:
    """Say whether a file could have this name: visible, printable, short enough for the file system."""
    return bool(part) and part.isprintable() and not part.startswith(".") and len(part.encode()) <= _LONGEST_NAME


def _serve(request: Request, file: Path, key: str) -> Response:
    try:
        opened = file.open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFound(f"There is no {shown('/' + key)}.") from None
    with opened:
        stat = os.fstat(opened.fileno())
        content = opened.read() if paths.is_mutable(key) else None
    answer = _response(file, stat, key, content)
    if _CONDITIONS.is_not_modified(answer.headers, Headers(scope=request.scope)):
        return NotModifiedResponse(answer.headers)
    return answer


def _response(file: Path, stat: os.stat_result, key: str, content: bytes | None) -> Response:
    meant = paths.headers(key)
    headers = {
        "Content-Type": meant.content_type,
        "Cache-Control": meant.cache_control,
        "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
        "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if content is None:
        return FileResponse(file, headers=headers, stat_result=stat)
    # Read whole, because a document may be replaced between looking at it and sending it.
    return Response(content, headers={**headers, "Accept-Ranges": "none"})


_CONDITIONS = StaticFiles(check_dir=False)
