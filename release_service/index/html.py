"""The HTML indexes: beautiful for people, and scraped by MacPorts, rclone, wget, lftp and uscan.

What scrapers hold on to (CONTRACT.md 4): ``href`` first, lower case, double quotes, relative, directories
end in ``/``, the link's text whole, one link a line, inside ``<td class="link">``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

_STYLE = """
:root { color-scheme: light dark; --page: #fafafb; --card: #fff; --line: #00000014; --text: #222226; --dim: #5e5c64;
  --accent: #1a5fb4; --hover: #3584e41a }
@media (prefers-color-scheme: dark) { :root { --page: #222226; --card: #2e2e32; --line: #ffffff17; --text: #fff;
  --dim: #c0bfbc; --accent: #99c1f1 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 "Adwaita Sans", Inter, Cantarell, system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1rem 4rem }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere }
p { margin: .4rem 0 1.6rem; color: var(--dim) }
table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; overflow: hidden }
th { padding: .6rem 1rem; text-align: start; font-size: .85rem; font-weight: 600; color: var(--dim) }
td { padding: 0 1rem; border-top: 1px solid var(--line) }
tr:hover td { background: var(--hover) }
.link { width: 99%; overflow-wrap: anywhere }
.link a { display: block; padding: .65rem 0; color: var(--accent); text-decoration: none }
.link a:hover, .link a:focus-visible { text-decoration: underline }
.size, .date { white-space: nowrap; color: var(--dim); font-variant-numeric: tabular-nums }
.size { text-align: end }
footer { margin-top: 1.5rem; font-size: .85rem; color: var(--dim) }
@media (max-width: 36rem) { .date { display: none } h1 { font-size: 1.5rem } }
"""
_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an index: *name* with a ``/`` if it is a directory; *size* in bytes; under it, *notes* for people."""

    name: str
    day: date | None = None
    size: int | None = None
    notes: Sequence[str] = ()


def write(title: str, about: str, entries: Iterable[Entry], *, is_top: bool = False) -> bytes:
    """Return the page of a directory that holds *entries*, in that order; *is_top* has no way up."""
    up = () if is_top else (Entry("../"),)
    rows = "\n".join(_row(entry) for entry in (*up, *entries))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p>{escape(about)}</p>
<table>
<thead>
<tr><th scope="col">Name</th><th scope="col" class="size">Size</th><th scope="col" class="date">Published</th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
<footer>Published by the GNOME Release Service. Every tarball has a .sha256sum beside it.</footer>
</main>
</body>
</html>
""".encode()


def _row(entry: Entry) -> str:
    name = escape(entry.name)
    size = "" if entry.size is None else _size(entry.size)
    day = "" if entry.day is None else entry.day.isoformat()
    return (
        f'<tr><td class="link"><a href="{name}" title="{name}">{name}</a></td>'
        f'<td class="size">{size}</td><td class="date">{day}</td></tr>' + "".join(map(_note, entry.notes))
    )


def _note(text: str) -> str:
    # Its style is its own: a page without notes is the same, byte for byte, as before there were any.
    return f'\n<tr><td colspan="3" style="padding: .65rem 1rem; overflow-wrap: anywhere">{escape(text)}</td></tr>'


def _size(size: int) -> str:
    for unit, letters in _SIZES:
        if size >= unit:
            return f"{size / unit:.1f} {letters}"
    return f"{size} B"
