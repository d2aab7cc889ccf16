"""Builds the service from the settings: the only module that chooses kinds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from release_service.archive.inspector import Inspector
from release_service.authorize import Policy
from release_service.db import Transactions, connect
from release_service.identity.gitlab import GitLab
from release_service.identity.keys import IssuerKeys
from release_service.publish import Service
from release_service.settings import Settings
from release_service.store import ReleaseStore
from release_service.store.local import LocalStore
from release_service.store.s3 import S3Store

# Publications at once in one replica; more wait, with their tarballs received.
_PUBLICATIONS = 32


@dataclass(frozen=True, slots=True)
class Parts:
    """What the web is given: the service, and what stands before it."""

    settings: Settings
    service: Service
    gitlab: GitLab
    inspector: Inspector
    tree: Path | None
    publishing: ThreadPoolExecutor


def build(settings: Settings) -> Parts:
    """Return the parts that *settings* ask for; nothing is connected to yet."""
    policy = Policy(settings.trusted_namespaces, settings.pipeline_sources, settings.sandbox)
    keys = IssuerKeys(
        settings.gitlab_issuer, ttl_s=settings.issuer_keys_ttl_s, cooldown_s=settings.issuer_keys_cooldown_s
    )
    return Parts(
        settings=settings,
        service=Service(Transactions(connect(settings.database_url)), _store(settings), policy),
        gitlab=GitLab(settings.gitlab_issuer, settings.gitlab_audience, keys),
        inspector=Inspector(settings.archive_limits()),
        tree=settings.tree,
        publishing=ThreadPoolExecutor(_PUBLICATIONS, thread_name_prefix="publish"),
    )


def _store(settings: Settings) -> ReleaseStore:
    if settings.tree is not None:
        return LocalStore(settings.tree)
    return S3Store(settings.bucket, settings.s3_endpoint_url)
