"""What can be wrong with an old tree: named, and never the end of its import."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong; the sentence says what became of it."""

    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"
    NO_TARBALL = "no_tarball"
    CHANGED = "changed"
    ALREADY_PUBLISHED = "already_published"
    STORED_DIFFERENTLY = "stored_differently"
    BAD_MODULE = "bad_module"
    CASE_TWIN = "case_twin"
    STRANGE_NAME = "strange_name"
    RESERVED_NAME = "reserved_name"
    LEAVES_THE_TREE = "leaves_the_tree"
    LINKED_DIRECTORY = "linked_directory"
    OUTSIDE = "outside"
    BAD_VERSION = "bad_version"
    NOT_LISTED = "not_listed"
    LISTED_TWICE = "listed_twice"
    NOT_THERE = "not_there"
    NO_CACHE_JSON = "no_cache_json"
    BAD_CACHE_JSON = "bad_cache_json"
    ORDER = "order"
    WRONG_LATEST = "wrong_latest"
    NO_CHECKSUM = "no_checksum"
    BAD_CHECKSUM_LINE = "bad_checksum_line"
    NOT_INSPECTED = "not_inspected"


# In the order in which people should read them.
MEANINGS = {
    Kind.MISMATCH: "a published checksum is wrong: not imported",
    Kind.UNREADABLE: "cannot be read: not imported",
    Kind.NO_TARBALL: "a version without a good tarball: not imported, or not as a release",
    Kind.CHANGED: "imported before with other bytes: those stay",
    Kind.ALREADY_PUBLISHED: "published here with other bytes: those stay",
    Kind.STORED_DIFFERENTLY: "the store holds other bytes under this name: not imported",
    Kind.BAD_MODULE: "cannot be the name of a module: not imported",
    Kind.CASE_TWIN: "the same name in other letters: a module is not imported, a file is",
    Kind.STRANGE_NAME: "a name that no URL carries unchanged, or that is too long: not imported",
    Kind.RESERVED_NAME: "a name that the service uses itself: not imported",
    Kind.LEAVES_THE_TREE: "a symbolic link that leaves the tree, or leads nowhere: not followed",
    Kind.LINKED_DIRECTORY: "a symbolic link to a directory: not followed",
    Kind.OUTSIDE: "lies beside the modules: not imported",
    Kind.BAD_VERSION: "a version that cannot be: imported as a file of no release",
    Kind.NOT_LISTED: "no cache.json lists it: imported as a file of no release",
    Kind.LISTED_TWICE: "listed under two versions: it is the first one's",
    Kind.NOT_THERE: "cache.json or a checksum file names it, and it is not there",
    Kind.NO_CACHE_JSON: "no cache.json: read from the files' names",
    Kind.BAD_CACHE_JSON: "cache.json cannot be read: read from the files' names",
    Kind.ORDER: "cache.json had the versions in another order",
    Kind.WRONG_LATEST: "did not name the newest version of its series: it is written anew",
    Kind.NO_CHECKSUM: "a tarball without a published checksum: imported",
    Kind.BAD_CHECKSUM_LINE: "a line that is no checksum: imported as it is",
    Kind.NOT_INSPECTED: "cannot be looked into: the next version's .news will be its whole NEWS",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `path` is below the old tree's /sources/; `detail` says more, or nothing."""

    kind: Kind
    path: str
    detail: str = ""
