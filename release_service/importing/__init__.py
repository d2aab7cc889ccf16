"""An existing download.gnome.org tree becomes the service's own: every path and byte, problems named.

One module after another: its old cache.json (or, without one, its files' names) says which files are a
release (`old_index`); each file is read once, held against the checksums that stand beside it (`sums`, `files`)
and stored; then ONE commit has the rows, then the indexes are written (`module`).  Whatever ends a run, the
next one goes on at the module where it ended: rows say what is there, and files that are there and
unchanged are not even read.  The source, a directory or a tree over HTTP, is only read.

What is wrong is a `Problem`, never the end: files whose published checksum is wrong are left out, others are
brought and named.
"""

from release_service.importing.module import Outcome
from release_service.importing.problems import Kind, Problem
from release_service.importing.tree import Importer

__all__ = ["Importer", "Kind", "Outcome", "Problem"]
