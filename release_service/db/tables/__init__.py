"""The tables.  No behaviour: what may happen to a row is in the queries beside this package."""

from release_service.db.tables.audit import AuditHead, AuditLink, AuditPending, AuditRow
from release_service.db.tables.base import Base
from release_service.db.tables.limits import RateCount, Switch, UploadLease
from release_service.db.tables.modules import Block, Maintainer, Module, Publisher
from release_service.db.tables.persons import Mail, Person, WebSession
from release_service.db.tables.releases import (
    ClaimedDigest,
    FollowUp,
    ImportedFile,
    ModuleImport,
    Release,
    ReleaseFile,
    ReleaseSignature,
    ReleaseText,
    TokenUse,
)
from release_service.db.tables.signing_keys import SigningKey

__all__ = [
    "AuditHead",
    "AuditLink",
    "AuditPending",
    "AuditRow",
    "Base",
    "Block",
    "ClaimedDigest",
    "FollowUp",
    "ImportedFile",
    "Mail",
    "Maintainer",
    "Module",
    "ModuleImport",
    "Person",
    "Publisher",
    "RateCount",
    "Release",
    "ReleaseFile",
    "ReleaseSignature",
    "ReleaseText",
    "SigningKey",
    "Switch",
    "TokenUse",
    "UploadLease",
    "WebSession",
]
