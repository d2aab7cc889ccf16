"""The settings: one frozen class, read from the environment (RELEASE_SERVICE_...) and a .env file.

Every setting has a working default but secrets.  Units are in the names.
"""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from release_service.addresses import CdnUrl, IssuerUrl, Token, is_loopback
from release_service.archive import Limits
from release_service.limits import SWITCHES
from release_service.limits import Limits as UploaderLimits
from release_service.receive import ReceiveLimits
from release_service.tarball import ACCEPTED, COMPRESSIONS

_MIB = 1024 * 1024
_LIMITS = Limits()
_SHORTEST_SECRET = 32

# Comma-separated in the environment.
Words = Annotated[tuple[str, ...], NoDecode]
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What an instance is told.  Fails at start, naming the setting, if one makes no sense."""

    model_config = SettingsConfigDict(
        env_prefix="RELEASE_SERVICE_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: str = Field(default="sqlite:///var/release-service.db", description="SQLAlchemy URL")
    database_timeout_s: Count = Field(
        default=30, description="How long PostgreSQL may work on a statement; it may be silent for 5 s more"
    )
    store_url: str = Field(default="file:var/tree", description="`file:DIR` or `s3://BUCKET`")
    s3_endpoint_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("RELEASE_SERVICE_S3_ENDPOINT_URL", "S3_ENDPOINT_URL"),
        description="An S3 server other than AWS",
    )
    s3_timeout_s: Seconds = Field(
        default=10,
        description="How long S3 may be silent before it is asked again, twice; thrice as long for a tarball",
    )
    staging_dir: Path | None = Field(
        default=None,
        description="Where uploads are received; else beside the directory of a `file:` store, or var/staging",
    )
    base_url: str = Field(default="http://127.0.0.1:8000", description="Where the service is")
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where readers see the tree")

    cdn_url: CdnUrl | None = Field(
        default=None, description="Where the CDN in front of the bucket is asked and purged; mostly PUBLIC_URL"
    )
    cdn_missing_ttl_s: Seconds = Field(default=5, description="How long the CDN keeps that something is missing")
    fastly_api_url: CdnUrl = Field(default="https://api.fastly.com", description="Fastly's API; https, or loopback")
    fastly_service_id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9]+$", description="The Fastly service to purge; without it nothing is purged"
    )
    fastly_token: Token | None = Field(default=None, description="May purge that service (scope `purge_select`)")

    trusted_proxies: Words = Field(
        default=(), description="Addresses of proxies whose X-Forwarded-For and -Proto are believed; * for any"
    )

    gitlab_issuer: IssuerUrl = Field(
        default="https://gitlab.gnome.org", description="Whose ID tokens are taken; https, or loopback"
    )
    gitlab_audience: str = Field(default="gnome-release-service", description="The `aud` of those tokens")
    gitlab_api_url: IssuerUrl | None = Field(
        default=None, description="Where job tokens are proven and projects looked up; else the issuer's /api/v4"
    )
    sso_issuer: IssuerUrl | None = Field(
        default=None, description="Whose access tokens are taken (a Keycloak realm); https, or loopback"
    )
    sso_audience: str = Field(default="gnome-release-service", description="The `aud` of those tokens")
    sso_cli_client_id: str = Field(default="release-cli", description="The SSO's client for `gnome-release login`")
    sso_web_client_id: str = Field(default="release-web", description="The SSO's client for signing in by browser")
    sso_web_client_secret: SecretStr | None = Field(default=None, description="Its secret, if it has one")
    sso_scope: str = Field(
        default="openid profile email groups", description="What is asked of the SSO; by the CLI offline_access, too"
    )
    sso_release_team_group: str = Field(default="release-team", description="The group that may publish every module")
    sso_admin_group: str = Field(default="sysadmin", description="The group that registers and blocks modules")
    session_secret: SecretStr | None = Field(
        default=None, description="Signs web sessions, 32 characters or more; needed where BASE_URL is no loopback"
    )
    session_ttl_s: Seconds = Field(default=8 * 3600, description="How long a web session lasts")
    issuer_keys_ttl_s: Seconds = Field(default=600, description="How long the issuer's keys are kept")
    issuer_keys_cooldown_s: Seconds = Field(default=60, description="How long an unknown key id is not asked for again")
    trusted_namespaces: Words = Field(
        default=("GNOME",), description="A project NS/MODULE there may claim the unclaimed module of its own name"
    )
    pipeline_sources: Words = Field(default=("push",), description="Accepted `pipeline_source` values")
    sandbox: bool = Field(
        default=False, description="Unprotected and non-tag refs are taken, and every answer says SANDBOX"
    )

    signatures: str = Field(
        default="optional", pattern="^(optional|required)$", description="The policy of modules that have none"
    )
    signing_key_cooling_s: Seconds = Field(
        default=72 * 3600,
        description="How long a new key may not sign, unless another maintainer consents; and a new maintainer's key",
    )
    signature_max_age_s: Seconds = Field(
        default=30 * 24 * 3600, description="How long ago a signature may have been made when it is sent"
    )
    switched_off: Words = Field(default=(), description=f"What is switched off here: some of {', '.join(SWITCHES)}")
    max_requests_per_uploader_per_hour: Count = Field(default=3000, description="Uploads, checks: in all replicas")
    max_uploads_at_once_per_uploader: Count = Field(default=64, description="In all replicas")
    max_uploads_at_once_per_address: Count = Field(default=256, description="In all replicas")
    max_refusals_per_address_per_minute: Count = Field(
        default=1000, description="Bad tokens that are written down; more are answered 429, unread"
    )

    smtp_url: SecretStr | None = Field(
        default=None, description="smtp://[USER:PASSWORD@]HOST[:PORT] (with STARTTLS, unless loopback), or smtps://"
    )
    mail_from: str = Field(default="release-service@localhost", description="The sender's address")

    max_header_bytes: Count = Field(default=64 * 1024, description="The longest header of a request")
    header_timeout_s: Seconds = Field(default=20, description="How long a request's header may take")
    compressions: Words = Field(default=ACCEPTED, description="Accepted tarballs: some of xz, gz, bz2, zst")
    max_tarball_bytes: Count = Field(default=1024 * _MIB, description="The longest tarball")
    upload_timeout_s: Seconds = Field(default=3600, description="How long an upload may take in all")
    upload_idle_timeout_s: Seconds = Field(default=30, description="How long nothing may come")
    upload_min_rate_bytes_per_s: Count = Field(default=4096, description="The slowest upload, on average")
    upload_rate_grace_s: Seconds = Field(default=30, description="From when on the rate counts")

    max_expanded_bytes: Count = Field(default=_LIMITS.expanded_bytes, description="The largest archive, decompressed")
    max_expansion_ratio: Count = Field(default=_LIMITS.ratio, description="The highest expansion, above 128 MiB")
    max_members: Count = Field(default=_LIMITS.members, description="The most members of an archive")
    max_member_path_bytes: Count = Field(default=_LIMITS.path_bytes, description="The longest path of a member")
    max_member_depth: Count = Field(default=_LIMITS.path_depth, description="The deepest path of a member")
    max_member_header_bytes: int = Field(
        default=_LIMITS.header_bytes, description="The longest extended header of a member"
    )
    max_decoder_memory_bytes: int = Field(
        default=_LIMITS.decoder_memory_bytes, description="What xz may need: its dictionary"
    )
    max_news_bytes: int = Field(
        default=_LIMITS.text_bytes, description="The longest NEWS or ChangeLog that is published"
    )

    log_format: str = Field(
        default="text", pattern="^(text|json)$", description="`text`, or `json` for one object a line"
    )

    @field_validator(
        "compressions", "trusted_namespaces", "pipeline_sources", "switched_off", "trusted_proxies", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, (word.strip() for word in value.split(",")))) if isinstance(value, str) else value

    @field_validator("compressions")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(COMPRESSIONS):
            raise ValueError(f"compressions are some of {', '.join(COMPRESSIONS)}")
        return value

    @field_validator("switched_off")
    @classmethod
    def _known_switches(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - set(SWITCHES):
            raise ValueError(f"what can be switched off: {', '.join(SWITCHES)}")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in {"smtp", "smtps"}:
            raise ValueError("a mail server is smtp://HOST:PORT or smtps://HOST:PORT")
        return value

    @model_validator(mode="after")
    def _signs_sessions(self) -> Self:
        """Sessions of a real instance outlive a restart, and hold for every replica: no secret of a process's own."""
        secret = self.session_secret.get_secret_value() if self.session_secret else ""
        if secret and len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"SESSION_SECRET has at least {_SHORTEST_SECRET} characters")
        if self.sso_issuer and not secret and not is_loopback(self.base_url):
            raise ValueError("SESSION_SECRET is needed where people sign in, unless BASE_URL is a loopback")
        if self.sso_issuer == self.gitlab_issuer:
            raise ValueError("SSO_ISSUER and GITLAB_ISSUER are two issuers: a token of one proves nothing to the other")
        return self

    @model_validator(mode="after")
    def _can_purge(self) -> Self:
        if self.fastly_service_id is not None:
            needed = {"FASTLY_TOKEN": self.fastly_token, "CDN_URL": self.cdn_url}
            if lacking := [name for name, value in needed.items() if value is None]:
                raise ValueError(f"where FASTLY_SERVICE_ID is set, {' and '.join(lacking)} must be, too")
        return self

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            make_url(value)
        except ArgumentError:
            raise ValueError("a database is an SQLAlchemy URL, sqlite:///FILE or postgresql+psycopg://...") from None
        return value

    @field_validator("store_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        kind, _, rest = value.partition(":")
        name = rest.removeprefix("//").strip("/")
        if kind not in {"file", "s3"} or not name or (kind == "s3" and "/" in name):
            raise ValueError("a store is file:DIR or s3://BUCKET")
        return value

    @property
    def tree(self) -> Path | None:
        """The directory of a file: store, None for any other."""
        kind, _, rest = self.store_url.partition(":")
        return Path(rest.removeprefix("//") or "/") if kind == "file" else None

    @property
    def bucket(self) -> str:
        """The bucket of an s3: store."""
        return self.store_url.partition(":")[2].strip("/")

    @property
    def staging(self) -> Path:
        """Where uploads are received: on the volume of the tree if that is a directory, so that they can be linked."""
        if self.staging_dir is not None:
            return self.staging_dir
        return self.tree.parent / "staging" if self.tree is not None else Path("var/staging")

    @property
    def gitlab_api(self) -> str:
        """GitLab's API."""
        return self.gitlab_api_url or f"{self.gitlab_issuer}/api/v4"

    def uploader_limits(self) -> UploaderLimits:
        """Return what one uploader, and one address, may ask."""
        return UploaderLimits(
            requests_per_uploader_per_hour=self.max_requests_per_uploader_per_hour,
            uploads_at_once_per_uploader=self.max_uploads_at_once_per_uploader,
            uploads_at_once_per_address=self.max_uploads_at_once_per_address,
            refusals_per_address_per_minute=self.max_refusals_per_address_per_minute,
            switched_off=frozenset(self.switched_off),
        )

    def receive_limits(self) -> ReceiveLimits:
        """Return what an upload may cost."""
        return ReceiveLimits(
            max_tarball_bytes=self.max_tarball_bytes,
            upload_timeout_s=self.upload_timeout_s,
            idle_timeout_s=self.upload_idle_timeout_s,
            min_rate_bytes_per_s=self.upload_min_rate_bytes_per_s,
            rate_grace_s=self.upload_rate_grace_s,
        )

    def archive_limits(self) -> Limits:
        """Return what an archive may ask of its reader."""
        return Limits(
            expanded_bytes=self.max_expanded_bytes,
            ratio=self.max_expansion_ratio,
            members=self.max_members,
            path_bytes=self.max_member_path_bytes,
            path_depth=self.max_member_depth,
            header_bytes=self.max_member_header_bytes,
            decoder_memory_bytes=self.max_decoder_memory_bytes,
            text_bytes=self.max_news_bytes,
        )
