"""Builds the service from the settings: the only module that chooses kinds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from release_service.archive.inspector import Inspector
from release_service.authorize import Policy, Proven
from release_service.cdn import Front, Purges
from release_service.cdn.fastly import Fastly
from release_service.cdn.front import Front as CdnFront
from release_service.db import Transactions, connect
from release_service.identity.bearer import Bearers
from release_service.identity.gitlab import GitLab, GitLabJob
from release_service.identity.gitlab_api import GitLabApi
from release_service.identity.job_token import JobTokens
from release_service.identity.keys import IssuerKeys
from release_service.identity.sso import Person, Sso
from release_service.mail import MailServer
from release_service.publish import Service
from release_service.refusals import Refusals
from release_service.settings import Settings
from release_service.signing import SigningRules
from release_service.store import ReleaseStore
from release_service.store.local import LocalStore
from release_service.store.s3 import S3Store

# Publications at once in one replica; more wait, with their tarballs received.
_PUBLICATIONS = 32


@dataclass(frozen=True, slots=True)
class Proofs:
    """Whom each way in believes: a job's ID token, a person's access token, both, or a job token."""

    jobs: Bearers[GitLabJob]
    persons: Bearers[Person]
    anyone: Bearers[Proven]
    job_tokens: JobTokens
    gitlab_api: GitLabApi


@dataclass(frozen=True, slots=True)
class Parts:
    """What the web is given: the service, and what stands before it."""

    settings: Settings
    service: Service
    proofs: Proofs
    refusals: Refusals
    inspector: Inspector
    tree: Path | None
    publishing: ThreadPoolExecutor


def build(settings: Settings) -> Parts:
    """Return the parts that *settings* ask for; nothing is connected to yet."""
    service = build_service(settings)
    return Parts(
        settings=settings,
        service=service,
        proofs=_proofs(settings),
        refusals=Refusals(service),
        inspector=Inspector(settings.archive_limits()),
        tree=settings.tree,
        publishing=ThreadPoolExecutor(_PUBLICATIONS, thread_name_prefix="publish"),
    )


def build_service(settings: Settings) -> Service:
    """Return what publishing, and changing rights, needs."""
    policy = Policy(
        settings.trusted_namespaces,
        settings.pipeline_sources,
        settings.sandbox,
        settings.sso_release_team_group,
        settings.sso_admin_group,
        settings.signatures,
    )
    return Service(
        transactions=Transactions(connect(settings.database_url, settings.database_timeout_s)),
        store=_store(settings),
        staging=settings.staging,
        policy=policy,
        limits=settings.uploader_limits(),
        public_url=settings.public_url,
        sends_mail=settings.smtp_url is not None,
        signing=SigningRules(
            timedelta(seconds=settings.signing_key_cooling_s), timedelta(seconds=settings.signature_max_age_s)
        ),
        purges=purges(settings),
        front=front(settings),
        missing_ttl_s=settings.cdn_missing_ttl_s,
    )


def mail_server(settings: Settings) -> MailServer | None:
    """Return where mail is handed in, None if none is sent."""
    return MailServer.of(settings.smtp_url, settings.mail_from) if settings.smtp_url else None


def purges(settings: Settings) -> Purges | None:
    """Return what makes the CDN forget, None if nothing is to be purged."""
    if settings.fastly_service_id is None or settings.fastly_token is None or settings.cdn_url is None:
        return None
    return Fastly(settings.cdn_url, settings.fastly_api_url, settings.fastly_service_id, settings.fastly_token)


def front(settings: Settings) -> Front | None:
    """Return what reads as readers do, None if there is no CDN."""
    return CdnFront(settings.cdn_url) if settings.cdn_url is not None else None


def _proofs(settings: Settings) -> Proofs:
    issuer = settings.gitlab_issuer
    gitlab = GitLab(issuer, settings.gitlab_audience, _keys(settings, issuer))
    persons: dict[str, Sso] = {}
    if settings.sso_issuer is not None:
        clients = (settings.sso_cli_client_id, settings.sso_web_client_id)
        keys = _keys(settings, settings.sso_issuer)
        persons = {settings.sso_issuer: Sso(settings.sso_issuer, settings.sso_audience, clients, keys)}
    api = GitLabApi(settings.gitlab_api)
    return Proofs(
        jobs=Bearers({issuer: gitlab}),
        persons=Bearers(persons),
        anyone=Bearers({issuer: gitlab, **persons}),
        job_tokens=JobTokens(api, issuer),
        gitlab_api=api,
    )


def _keys(settings: Settings, issuer: str) -> IssuerKeys:
    return IssuerKeys(issuer, ttl_s=settings.issuer_keys_ttl_s, cooldown_s=settings.issuer_keys_cooldown_s)


def _store(settings: Settings) -> ReleaseStore:
    if settings.tree is not None:
        return LocalStore(settings.tree)
    return S3Store(settings.bucket, settings.s3_endpoint_url, timeout_s=settings.s3_timeout_s)
