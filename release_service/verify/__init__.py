"""Is the store what the database says?  Reads every object again and names each difference.

Nothing is changed, and nothing is believed that the store says of an object: each is read whole.
Releases are verified in the database's order, a page at a time (`published`); then what the index
writer would write now is compared with what is there (`indexes`); foreign files are looked for in the
store's listing, a page at a time (`foreign`).  So neither a large archive nor a large tarball takes
more memory.

The service may publish meanwhile.  What differs is looked at again, with the rows as they are by then:
only what stays different is a finding.
"""

from release_service.verify.findings import BEGINNING, Content, Finding, Kind, Scope, Verified
from release_service.verify.foreign import foreign
from release_service.verify.indexes import indexes
from release_service.verify.objects import count, published

__all__ = [
    "BEGINNING",
    "Content",
    "Finding",
    "Kind",
    "Scope",
    "Verified",
    "count",
    "foreign",
    "indexes",
    "published",
]
