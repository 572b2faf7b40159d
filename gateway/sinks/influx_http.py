"""How lines get to the database: one HTTP request each, to the write endpoint of InfluxDB 2 or 1."""

from __future__ import annotations

import gzip
from base64 import b64encode
from functools import partial
from typing import Literal, Self
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.naming import Template
from gateway.paths import Beside
from gateway.sinks.influx_connection import Address, Answer, Connection
from gateway.thread import in_thread

_GZIP_LEVEL = 1  # a fifth of the size for a third of the time of the default


class InfluxSettings(BaseModel):
    """An InfluxDB or what speaks its line protocol. Version 2 needs org, bucket and token, version 1 a database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["influx"] = "influx"
    name: str = Field(default="influx", description="Unique. What was delivered is remembered by it.")
    url: str = Field(
        default="http://127.0.0.1:8086",
        pattern=r"^https?://[^/\s]\S*$",
        description="Address without the path of the write.",
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
        if self.token is not None and not self.token.get_secret_value().isprintable():
            raise ValueError("token has a line break or another character that no token has")
        Address.of(self.url)
        return self


class Poster:
    """Takes lines, one request at a time, over a connection that stays open."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._connection = Connection(Address.of(settings.url), settings.ca_path, settings.timeout_s)
        self._head = _head(settings)

    async def open(self) -> Answer:
        """The answer to a write of nothing. Raises NotConnected when there is none."""
        if self._settings.version == 1:
            return await self.post(b"")
        await self._connection.open()
        try:
            return await in_thread(partial(_asked_by_client, self._settings), "influx-open")
        except OSError as error:
            raise self._connection.away(error) from error

    async def post(self, lines: bytes) -> Answer:
        """The answer to a write. Raises NotConnected when there is none."""
        if self._settings.gzip:
            lines = await in_thread(partial(gzip.compress, lines, _GZIP_LEVEL), "influx-gzip")
        return await self._connection.ask(b"%b%d\r\n\r\n" % (self._head, len(lines)), lines)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _asked_by_client(settings: InfluxSettings) -> Answer:
    """The answer to a write of nothing by the client that comes with the database. Raises TimeoutError or OSError.

    Loading it takes 11 MB and its time: only those pay who use it, and the event loop does not wait.
    """
    from influxdb_client import InfluxDBClient  # noqa: PLC0415
    from influxdb_client.client.write_api import SYNCHRONOUS  # noqa: PLC0415
    from influxdb_client.rest import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415
    from urllib3.exceptions import TimeoutError as Silence  # noqa: PLC0415

    token, authority = settings.token, settings.ca_path
    with InfluxDBClient(
        settings.url,
        token.get_secret_value() if token else "",
        timeout=max(1, round(settings.timeout_s * 1000)),
        ssl_ca_cert=str(authority) if authority else None,
    ) as client:
        try:
            client.write_api(SYNCHRONOUS).write(settings.bucket, settings.org, b"")
        except ApiException as refusal:
            return Answer(refusal.status, str(refusal.body or refusal.reason))
        except Silence as silence:
            raise TimeoutError from silence
        except (HTTPError, UnicodeDecodeError) as error:
            raise ConnectionError(str(error)) from error
    return Answer(204, "")


def _head(settings: InfluxSettings) -> bytes:
    """A request up to the length of its body."""
    headers = {
        "Host": urlsplit(settings.url).netloc.rpartition("@")[2],
        "Content-Type": "text/plain; charset=utf-8",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **_authorization(settings),
        **({"Content-Encoding": "gzip"} if settings.gzip else {}),
    }
    lines = [f"POST {_path(settings)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Content-Length: "]).encode()


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
