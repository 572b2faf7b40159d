"""How lines get to the database: one HTTP request each, to the write endpoint of InfluxDB 2 or 1."""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit

import urllib3
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.contract import NotConnected
from gateway.naming import Template
from gateway.paths import Beside

_GZIP_LEVEL = 1  # a fifth of the size for a third of the time of the default
_TEXT = "text/plain; charset=utf-8"


class InfluxSettings(BaseModel):
    """An InfluxDB or what speaks its line protocol. Version 2 needs org, bucket and token, version 1 a database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["influx"] = "influx"
    name: str = Field(default="influx", description="Unique. What was delivered is remembered by it.")
    url: str = Field(
        default="http://127.0.0.1:8086", pattern=r"^https?://[^/]", description="Address without the path of the write."
    )
    version: Literal[1, 2] = Field(default=2, description="2 writes to /api/v2/write (InfluxDB 2 and 3), 1 to /write.")
    org: str = Field(default="", description="Organisation; version 2.")
    bucket: str = Field(default="", description="Bucket; version 2.")
    token: SecretStr | None = Field(
        default=None, description="Token with the right to write; version 2, or 1 with one."
    )
    database: str = Field(default="", description="Database; version 1.")
    user: str | None = Field(default=None, description="User name; version 1. Without: no login.")
    password: SecretStr | None = Field(default=None, description="Password of the user; version 1.")
    ca_path: Beside = Field(default=None, description="PEM file of the authority to trust; without: the system's.")
    gzip: bool = Field(default=False, description="Compress: worth it on a thin uplink only.")
    measurement: Template = Field(default="{group}", description="Measurement of a tag.")
    tags: tuple[str, ...] = Field(
        default=("site", "line", "station", "tag", "unit"),
        description="Named parts that become tags; `unit` is the engineering unit of the value.",
    )
    timeout_s: float = Field(default=10.0, gt=0, description="For a connect and for an answer.")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        needed = {1: ("database",), 2: ("org", "bucket", "token")}[self.version]
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"version {self.version} needs {' and '.join(missing)}")
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said."""

    status: int
    text: str


class Poster:
    """Takes lines, blocking, over connections that stay open."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._manager = _manager(settings)
        self._connections = self._manager.connection_from_url(settings.url)
        self._path = _path(settings)
        self._headers = {"Content-Type": _TEXT, "Accept": "application/json"} | _authorization(settings)
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"

    def post(self, lines: bytes) -> Answer:
        """The answer to a write. Raises NotConnected when there is none."""
        body = gzip.compress(lines, _GZIP_LEVEL) if self._settings.gzip else lines
        timeout = urllib3.Timeout(total=self._settings.timeout_s)
        try:
            response = self._connections.urlopen(
                "POST", self._path, body, self._headers, retries=False, redirect=False, timeout=timeout
            )
        except urllib3.exceptions.HTTPError as error:
            raise NotConnected(_trouble(self._settings, error)) from error
        return Answer(response.status, response.data.decode("utf-8", "replace"))

    def close(self) -> None:
        """Let go of the connections."""
        self._manager.clear()


def _manager(settings: InfluxSettings) -> urllib3.PoolManager:
    """Connections as the database's client makes them; its write service would cost twice what they do."""
    authority = str(settings.ca_path) if settings.ca_path else None
    if settings.version == 1:
        return urllib3.PoolManager(ca_certs=authority)
    from influxdb_client import InfluxDBClient  # noqa: PLC0415 - costs 11 MB; only those pay who use it

    client: Any = InfluxDBClient(settings.url, "", org=settings.org, ssl_ca_cert=authority)
    manager: urllib3.PoolManager = client.api_client.rest_client.pool_manager
    return manager


def _path(settings: InfluxSettings) -> str:
    prefix = urlsplit(settings.url).path.rstrip("/")
    if settings.version == 1:
        return f"{prefix}/write?{urlencode({'db': settings.database, 'precision': 'ns'})}"
    query = {"org": settings.org, "bucket": settings.bucket, "precision": "ns"}
    return f"{prefix}/api/v2/write?{urlencode(query)}"


def _authorization(settings: InfluxSettings) -> dict[str, str]:
    """A token, or user and password; never in the address, which ends up in logs."""
    if settings.token is not None:
        return {"Authorization": f"Token {settings.token.get_secret_value()}"}
    if settings.user is None:
        return {}
    password = settings.password.get_secret_value() if settings.password else ""
    return {"Authorization": f"Basic {b64encode(f'{settings.user}:{password}'.encode()).decode()}"}


def _trouble(settings: InfluxSettings, error: urllib3.exceptions.HTTPError) -> str:
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # by its ancestry it is a TimeoutError, too
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return f"{settings.url} did not answer within {settings.timeout_s:g} s"
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"no TLS connection to {settings.url}: {error}"
    return f"no connection to {settings.url}: {error}; is the database up, is the url right?"
