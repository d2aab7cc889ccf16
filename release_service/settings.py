"""The settings: one frozen class, read from the environment (RELEASE_SERVICE_...) and a .env file.

Every setting has a working default but secrets.  Units are in the names.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from release_service.archive import Limits
from release_service.receive import ReceiveLimits
from release_service.tarball import ACCEPTED, COMPRESSIONS

_MIB = 1024 * 1024
_LIMITS = Limits()
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

# Comma-separated in the environment.
Words = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """What an instance is told.  Fails at start, naming the setting, if one makes no sense."""

    model_config = SettingsConfigDict(
        env_prefix="RELEASE_SERVICE_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: str = "sqlite:///var/release-service.db"
    store_url: str = "file:var/tree"
    s3_endpoint_url: str | None = Field(
        default=None, validation_alias=AliasChoices("RELEASE_SERVICE_S3_ENDPOINT_URL", "S3_ENDPOINT_URL")
    )
    staging_dir: Path | None = Field(
        default=None, description="Where uploads are received; default: beside a file: tree, else var/staging."
    )
    base_url: str = "http://127.0.0.1:8000"
    public_url: str = "http://127.0.0.1:8000"

    gitlab_issuer: str = "https://gitlab.gnome.org"
    gitlab_audience: str = "gnome-release-service"
    issuer_keys_ttl_s: float = 3600
    issuer_keys_cooldown_s: float = 60
    trusted_namespaces: Words = ("GNOME",)
    pipeline_sources: Words = ("push",)
    sandbox: bool = False

    compressions: Words = ACCEPTED
    max_tarball_bytes: int = 1024 * _MIB
    upload_timeout_s: float = 3600
    upload_idle_timeout_s: float = 30
    upload_min_rate_bytes_per_s: int = 4096
    upload_rate_grace_s: float = 30

    max_expanded_bytes: int = _LIMITS.expanded_bytes
    max_expansion_ratio: int = _LIMITS.ratio
    max_members: int = _LIMITS.members
    max_member_path_bytes: int = _LIMITS.path_bytes
    max_member_depth: int = _LIMITS.path_depth
    max_member_header_bytes: int = _LIMITS.header_bytes
    max_decoder_memory_bytes: int = _LIMITS.decoder_memory_bytes
    max_news_bytes: int = _LIMITS.text_bytes

    log_format: str = Field(default="text", pattern="^(text|json)$")

    @field_validator("compressions", "trusted_namespaces", "pipeline_sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, (word.strip() for word in value.split(",")))) if isinstance(value, str) else value

    @field_validator("compressions")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(COMPRESSIONS):
            raise ValueError(f"compressions are some of {', '.join(COMPRESSIONS)}")
        return value

    @field_validator("gitlab_issuer")
    @classmethod
    def _trustworthy(cls, value: str) -> str:
        """Https only; http is accepted for loopback addresses alone (DESIGN.md 4)."""
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("an issuer is https, or http on a loopback address")
        return value

    @field_validator("store_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        kind, _, rest = value.partition(":")
        if kind not in {"file", "s3"} or not rest.removeprefix("//").strip("/"):
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
