"""How lines get to the database: InfluxDB 2's write service, or the 1.x endpoint over the same HTTP library."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlencode

import urllib3
from influxdb_client import InfluxDBClient, WriteService
from influxdb_client.rest import ApiException
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.contract import NotConnected
from gateway.naming import Template

T = TypeVar("T")
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
    ca_path: Path | None = Field(default=None, description="PEM file of the authority to trust; without: the system's.")
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


class Poster(Protocol):
    """Takes lines, blocking."""

    def post(self, lines: bytes) -> Answer:
        """The answer to a write. Raises NotConnected when there is none."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


def poster(settings: InfluxSettings) -> Poster:
    """What the settings ask for."""
    return _Version2(settings) if settings.version == 2 else _Version1(settings)  # noqa: PLR2004


class _Version2:
    def __init__(self, settings: InfluxSettings) -> None:
        assert settings.token is not None
        self._settings = settings
        self._client: Any = InfluxDBClient(
            settings.url,
            settings.token.get_secret_value(),
            timeout=int(settings.timeout_s * 1000),
            org=settings.org,
            ssl_ca_cert=str(settings.ca_path) if settings.ca_path else None,
        )
        self._service: Any = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]

    def post(self, lines: bytes) -> Answer:
        try:
            _translated(self._settings, lambda: self._write(lines))
        except ApiException as error:
            if not error.status:
                raise NotConnected(f"no TLS connection to {self._settings.url}: {error.reason}") from error
            return Answer(error.status, str(error.body or error.reason))
        return Answer(204, "")

    def _write(self, lines: bytes) -> None:
        self._service.post_write(
            org=self._settings.org,
            bucket=self._settings.bucket,
            body=_packed(lines, self._settings),
            precision="ns",
            content_type=_TEXT,
            content_encoding="gzip" if self._settings.gzip else "identity",
        )

    def close(self) -> None:
        self._client.close()


class _Version1:
    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        query = urlencode({"db": settings.database, "precision": "ns"})
        self._url = f"{settings.url.rstrip('/')}/write?{query}"
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(total=settings.timeout_s),
            ca_certs=str(settings.ca_path) if settings.ca_path else None,
        )
        self._headers = {"Content-Type": _TEXT} | _authorization(settings)
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"

    def post(self, lines: bytes) -> Answer:
        response = _translated(self._settings, lambda: self._write(lines))
        return Answer(response.status, response.data.decode("utf-8", "replace"))

    def _write(self, lines: bytes) -> urllib3.BaseHTTPResponse:
        return self._pool.request("POST", self._url, body=_packed(lines, self._settings), headers=self._headers)

    def close(self) -> None:
        self._pool.clear()


def _authorization(settings: InfluxSettings) -> dict[str, str]:
    """A token, or user and password; never in the address, which ends up in logs."""
    if settings.token is not None:
        return {"Authorization": f"Token {settings.token.get_secret_value()}"}
    if settings.user is None:
        return {}
    password = settings.password.get_secret_value() if settings.password else ""
    return {"Authorization": f"Basic {b64encode(f'{settings.user}:{password}'.encode()).decode()}"}


def _packed(lines: bytes, settings: InfluxSettings) -> bytes:
    return gzip.compress(lines, _GZIP_LEVEL) if settings.gzip else lines


def _translated(settings: InfluxSettings, call: Callable[[], T]) -> T:
    """Connection trouble in our words."""
    try:
        return call()
    except urllib3.exceptions.HTTPError as error:
        raise NotConnected(_trouble(settings, error)) from error


def _trouble(settings: InfluxSettings, error: urllib3.exceptions.HTTPError) -> str:
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # by its ancestry it is a TimeoutError, too
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return f"{settings.url} did not answer within {settings.timeout_s:g} s"
    return f"no connection to {settings.url}: {error}; is the database up, is the url right?"
