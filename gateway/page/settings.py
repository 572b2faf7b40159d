"""Settings of the page: where it listens, who may look, and which tags play which part on it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.page.tone import Tone

Pattern = Annotated[str, Field(min_length=1)]
"""A browse path such as "Machines/*/Performance/OEE": `*` matches within one name, `**` across names."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineSettings(_Section):
    """The production line. Every `state` tag makes a station, or a unit where its names hold a `unit`."""

    state: Pattern | None = None
    product: Pattern | None = None
    lot: Pattern | None = None
    speed: Pattern | None = None
    oee: Pattern | None = None
    reason: Pattern | None = None
    order: tuple[str, ...] = ()  # station names from left to right; the others follow as they were browsed
    tones: dict[str, Tone] = Field(default_factory=dict)  # state texts that PackML does not know


class StockSettings(_Section):
    """Stock levels. Every `level` tag makes a bar; its limit and what is on order belong to the same station name."""

    level: Pattern | None = None
    limit: Pattern | None = None
    on_order: Pattern | None = None


class KpiSettings(_Section):
    """One figure with its course over the last hour."""

    title: Annotated[str, Field(min_length=1)]
    tag: Pattern
    good: Literal["high", "low"] = "high"
    format: str = ".1f"

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, spec: str) -> str:
        try:
            format(0.0, spec)
        except ValueError as error:
            raise ValueError(f"{spec!r} is no format of a number: write something like .1f or ,.0f") from error
        return spec


class PageSettings(_Section):
    """The gateway's HTTP side. With `enabled: false` only /health and /metrics are served."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    password: SecretStr | None = None  # of the user "conche"
    title: str = "Conche"
    clock: Pattern | None = None  # shown as plant time
    speed: Pattern | None = None  # plant seconds per second
    line: LineSettings = LineSettings()
    stock: StockSettings = StockSettings()
    kpis: tuple[KpiSettings, ...] = ()
    trends: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _strangers_need_a_password(self) -> Self:
        if not is_loopback(self.host) and not (self.password and self.password.get_secret_value()):
            raise ValueError(f"{self.host} can be reached from other machines: set page.password, or host 127.0.0.1")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; names other than localhost count as reachable from outside."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
