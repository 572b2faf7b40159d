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

    state: Pattern | None = Field(default=None, description="State texts, such as those of PackML.")
    product: Pattern | None = Field(default=None, description="What is being made.")
    lot: Pattern | None = Field(default=None, description="The lot in work.")
    speed: Pattern | None = Field(default=None, description="Present speed of the machine.")
    oee: Pattern | None = Field(default=None, description="OEE of the station, in %.")
    reason: Pattern | None = Field(default=None, description="Why it stands.")
    order: tuple[str, ...] = Field(
        default=(), description="Station names from left to right; the others follow as they were browsed."
    )
    tones: dict[str, Tone] = Field(
        default_factory=dict, description="Colour of state texts that PackML does not know: {Drying: run}."
    )


class StockSettings(_Section):
    """Stock levels. Every `level` tag makes a bar; its limit and what is on order belong to the same station name."""

    level: Pattern | None = Field(default=None, description="What is there.")
    limit: Pattern | None = Field(default=None, description="The level below which the bar warns.")
    on_order: Pattern | None = Field(default=None, description="What is on its way.")


class KpiSettings(_Section):
    """One figure with its course over the last hour."""

    title: str = Field(min_length=1, description="What stands above the figure.")
    tag: Pattern = Field(description="The tag; of several that match, the first.")
    good: Literal["high", "low"] = Field(default="high", description="Which direction is the good one.")
    format: str = Field(default=".1f", description="Python's format of a number: .2f, or ,.0f with thousands.")

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

    enabled: bool = Field(default=True, description="false: no page, only /health and /metrics.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; any but loopback needs a password.")
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    password: SecretStr | None = Field(default=None, description="Password of the user conche, for all but /health.")
    title: str = Field(default="Conche", description="Title of the page.")
    clock: Pattern | None = Field(default=None, description="Tag that is shown as the time in the plant.")
    speed: Pattern | None = Field(default=None, description="Tag with the plant seconds that pass in a second.")
    line: LineSettings = Field(default=LineSettings(), description="The stations and where their facts stand.")
    stock: StockSettings = Field(default=StockSettings(), description="The stores and where their levels stand.")
    kpis: tuple[KpiSettings, ...] = Field(default=(), description="Figures on top of the page.")
    trends: tuple[Pattern, ...] = Field(
        default=(), description="Tags that are offered as trends; those of the first patterns are shown first."
    )

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
