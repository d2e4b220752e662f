"""What the administrator may set: read once at the start, checked, frozen.

Strongest first: command line, `ARTIFACTD_*` environment, `artifactd.toml`, defaults. The file is the one given
with `--config`, else `artifactd.toml` in the home, else `/etc/artifactd/artifactd.toml`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from artifactd.daemon.catalog_url import check_catalog_url, is_shared
from artifactd.daemon.store_url import check_server_url, split_store_url
from artifactd.protocol.endpoint import check_socket_path, default_home, home_socket
from artifactd.protocol.errors import InvalidRequest

__all__ = ["BadSetting", "GCSSettings", "S3Settings", "Settings", "StoreSettings", "load"]

SYSTEM_CONFIG = Path("/etc/artifactd/artifactd.toml")
CONFIG_NAME = "artifactd.toml"
_KMS_KEY = r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"

_ServerUrl = Annotated[str, AfterValidator(check_server_url)]
"""Without credentials in it: settings may be shown."""


class BadSetting(Exception):
    """A setting that stops the start: which file or variable, which key, which value, what would be right."""


class S3Settings(BaseModel):
    """`[store.s3]`: how the S3 server is reached. Credentials come from the SDK's own chain.

    `endpoint_url`, `region` and `addressing_style` say where it is; without them it is what the SDK finds. `proxy`
    is the URL of an HTTP proxy, and `ca_bundle` a file with the certificates to trust.

    `sse` encrypts new objects with keys of S3 (`AES256`) or of KMS (`aws:kms`), there with `kms_key_id` if given;
    `storage_class` is theirs. Without them the bucket's own rules hold.

    Objects of more than 8 MiB go in parts of `part_size` bytes, or larger ones where that would be more than
    10,000; `concurrency` parts are on their way at once, and in memory: the two bound what uploads take of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: _ServerUrl | None = None
    region: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    proxy: _ServerUrl | None = None
    ca_bundle: FilePath | None = None
    sse: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: Annotated[str, Field(min_length=1)] | None = None
    storage_class: Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")] | None = None
    part_size: Annotated[int, Field(ge=5 << 20, le=1 << 30)] = 16 << 20
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("kms_key_id")
    @classmethod
    def _check_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("sse") != "aws:kms":
            raise ValueError('needs sse = "aws:kms"')
        return value

    @field_validator("storage_class")
    @classmethod
    def _check_class(cls, value: str | None) -> str | None:
        if value in ("GLACIER", "DEEP_ARCHIVE"):
            raise ValueError("objects of this class cannot be read without being restored first")
        return value


class GCSSettings(BaseModel):
    """`[store.gcs]`: how Google Cloud Storage is used. Credentials come from the library's own chain.

    `endpoint_url` is a private endpoint; without it `STORAGE_EMULATOR_HOST` is honoured. New objects are encrypted
    with the Cloud KMS key `kms_key` (`projects/…/cryptoKeys/…`) and get `storage_class`, where given, else what
    the bucket says. `ca_bundle` is a PEM file of what TLS trusts instead of the system's. Large objects go out in
    chunks of `chunk_size` bytes, of which `concurrency` are in memory at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: _ServerUrl | None = None
    kms_key: Annotated[str, Field(pattern=_KMS_KEY)] | None = None
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None
    ca_bundle: FilePath | None = None
    chunk_size: Annotated[int, Field(ge=256 << 10, le=1 << 30, multiple_of=256 << 10)] = 16 << 20
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8


class StoreSettings(BaseModel):
    """`[store]`: where blobs go. `url` is `file:///dir`, `s3://bucket/prefix`, `gs://…` alike or `memory:`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    s3: S3Settings = S3Settings()
    gcs: GCSSettings = GCSSettings()

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value:
            split_store_url(value)
        return value


class _CatalogSettings(BaseModel):
    """`[catalog]`: where versions are recorded. `url` is `sqlite:///file`, or `postgresql://…` for several nodes.

    What libpq takes as connection options may follow a `?`; passwords are better in its password file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return value and check_catalog_url(value)


class _SpoolSettings(BaseModel):
    """`[spool]`: `reserve` is what stays free on the home's filesystem, in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reserve: Annotated[int, Field(ge=0)] = 1 << 30


class _CacheSettings(BaseModel):
    """`[cache]`: `size` is how many bytes of downloaded blobs the node keeps; None is a tenth of its disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)] | None = None


class _UploadSettings(BaseModel):
    """`[upload]`: how many submissions are hashed and uploaded at the same time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submissions: Annotated[int, Field(ge=1, le=1024)] = 64


class _ReferencesSettings(BaseModel):
    """`[references]`: what references may lead to.

    `allow` has URL patterns, `scheme://host[:port][/path]` with `*` and `?`, for link-local and private hosts.
    `buckets` lists by entity what the daemon's own credentials serve when another user asks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[Annotated[str, Field(pattern=r"^[a-z*?]+://[^/]+(/.*)?$")], ...] = ()
    buckets: Mapping[str, tuple[str, ...]] = {}


class _DraftsSettings(BaseModel):
    """`[drafts]`: `expire` is how many seconds a draft of several writers lives after its last part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expire: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7 * 86400.0


class Settings(BaseModel):
    """Every setting. `home` holds the journal, the spool and, unless configured otherwise, catalog and blobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    socket: Path
    store: StoreSettings = StoreSettings()
    catalog: _CatalogSettings = _CatalogSettings()
    spool: _SpoolSettings = _SpoolSettings()
    cache: _CacheSettings = _CacheSettings()
    upload: _UploadSettings = _UploadSettings()
    references: _ReferencesSettings = _ReferencesSettings()
    drafts: _DraftsSettings = _DraftsSettings()

    @property
    def store_url(self) -> str:
        return self.store.url or (self.home / "blobs").as_uri()

    @property
    def catalog_url(self) -> str:
        return self.catalog.url or f"sqlite:///{self.home / 'catalog.db'}"


class _Layers:
    """Values from several sources, each remembered with where it came from. Later ones win."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._origins: dict[tuple[str, ...], str] = {}

    def set(self, key: tuple[str, ...], value: Any, origin: str) -> Self:
        *tables, last = key
        table = self.values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise BadSetting(f"{origin}: {name} is a table, not a value")
        table[last] = value
        self._origins[key] = origin
        return self

    def add_file(self, path: Path) -> None:
        try:
            document = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise BadSetting(f"{path}: cannot be read: {error}") from error
        self._add_table(document, (), str(path))

    def _add_table(self, table: Mapping[str, Any], prefix: tuple[str, ...], origin: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                self._add_table(value, (*prefix, name), origin)
            else:
                self.set((*prefix, name), value, origin)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """`ARTIFACTD_STORE` and `ARTIFACTD_CATALOG` are URLs; `ARTIFACTD_SPOOL__RESERVE` is `[spool] reserve`.

        `ARTIFACTD_REFERENCES_ALLOW` is a comma-separated list.
        """
        for name, value in environ.items():
            if name in ("ARTIFACTD_STORE", "ARTIFACTD_CATALOG"):
                self.set((name.removeprefix("ARTIFACTD_").lower(), "url"), value, f"environment {name}")
            elif name == "ARTIFACTD_REFERENCES_ALLOW":
                patterns = [pattern.strip() for pattern in value.split(",") if pattern.strip()]
                self.set(("references", "allow"), patterns, f"environment {name}")
            elif name.startswith("ARTIFACTD_") and "__" in name:
                key = tuple(name.removeprefix("ARTIFACTD_").lower().split("__"))
                self.set(key, value, f"environment {name}")

    def origin(self, key: tuple[str, ...]) -> str:
        for length in range(len(key), 0, -1):
            if origin := self._origins.get(key[:length]):
                return origin
        return "default"


def load(
    *,
    home: Path | None = None,
    store: str | None = None,
    catalog: str | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Merge command line, environment, file and defaults. Raises `BadSetting`."""
    explicit = home is not None or bool(environ.get("ARTIFACTD_HOME"))
    home = (home or default_home(environ)).absolute()
    layers = _Layers()
    if file := config or next((path for path in (home / CONFIG_NAME, SYSTEM_CONFIG) if path.exists()), None):
        layers.add_file(file)
    layers.add_environment(environ)
    if store is not None:
        layers.set(("store", "url"), store, "--store")
    if catalog is not None:
        layers.set(("catalog", "url"), catalog, "--catalog")
    try:
        socket = check_socket_path(home_socket(home, environ, explicit=explicit))
        settings = Settings.model_validate({**layers.values, "home": home, "socket": socket})
    except InvalidRequest as error:
        raise BadSetting(str(error)) from error
    except ValidationError as error:
        raise BadSetting("; ".join(_explain(dict(problem), layers) for problem in error.errors())) from error
    if is_shared(settings.catalog.url) and not settings.store.url:
        raise BadSetting(
            f"{layers.origin(('catalog', 'url'))}: catalog.url: nodes that share a catalog need a store that they "
            "share: set store.url"
        )
    return settings


def _explain(problem: dict[str, Any], layers: _Layers) -> str:
    key = tuple(str(part) for part in problem["loc"])
    where = f"{layers.origin(key)}: {'.'.join(key)}"
    if problem["type"] == "extra_forbidden":
        # Somebody may have taken it for the place of a password.
        return f"{where}: there is no such setting"
    return f"{where} = {_shown(problem['input'])}: {problem['msg'].removeprefix('Value error, ')}"


def _shown(value: Any) -> str:
    """A wrong value, as far as there can be no secret in it: of an address that is not understood the scheme."""
    if isinstance(value, str) and (any(mark in value for mark in "@?#") or value.count(":") > 1):
        return repr(f"{value.partition(':')[0]}:…") if ":" in value else "'…'"
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
