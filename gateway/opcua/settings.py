"""Settings of an OPC UA source: which server, how to reach it safely, what to take from it and how."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from gateway.paths import Beside

_ADDRESS = r"^opc\.tcp://[^\s/]+(/\S*)?$"

_PERCENT = re.compile(r"(100|\d{1,2})(\.\d+)? ?%")

Policy = Literal["best", "None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]


def _checked_deadband(value: object) -> object:
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ValueError("a deadband is a number in the unit of the tag, 0 or more, or a share of its range: '2 %'")
    return number


DeadbandSetting = Annotated[float | str, BeforeValidator(_checked_deadband)]
"""By how much a value must change to be reported: a number in the tag's unit, or `2 %` of its EURange."""


class SecuritySettings(BaseModel):
    """The secure channel and who we are on it. What is asked for here is what is used: there is no fall-back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Policy = Field(
        default="best",
        description="Security policy of the endpoint. best: the strongest that the server offers, never None.",
    )
    mode: Literal["Sign", "SignAndEncrypt"] = Field(
        default="SignAndEncrypt", description="Security mode of the endpoint; of no meaning with policy None."
    )
    user: str = Field(default="", description="User name; empty: anonymous.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of the user. Never sent in clear text.")
    server_certificate: Beside = Field(
        default=None,
        description="File (PEM or DER) of the only certificate that is accepted. Without: those that were approved.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.password.get_secret_value() and not self.user:
            raise ValueError("a password needs a user name: set security.user")
        if self.server_certificate is not None and self.policy == "None":
            raise ValueError("a server certificate needs a security policy: set security.policy")
        return self


class BackfillSettings(BaseModel):
    """How history is read after an outage and at the first sight of a tag."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="false: never read history; what was missed becomes a gap.")
    first_history_s: float = Field(
        default=86_400.0, ge=0, description="How far back at the first sight of a tag; 0: not at all."
    )
    settle_s: float = Field(
        default=2.0, ge=0, description="Time for the server to have in its history what it just reported."
    )
    nodes_per_call: int = Field(
        default=20, ge=1, description="Nodes in one HistoryRead; fewer where the server announces a limit."
    )
    values_per_node: int = Field(
        default=1_000, ge=2, description="Values of a node in one answer; more follow by continuation point."
    )
    pause_s: float = Field(
        default=0.02, ge=0, description="Between two calls, so that live values and other clients go first."
    )
    timeout_s: float = Field(default=60.0, gt=0, description="For one answer to a HistoryRead.")


class ItemSettings(BaseModel):
    """How the tags that fit a pattern are monitored; what is left out is as for the whole server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: tuple[str, ...] = Field(
        min_length=1, description="Patterns on browse paths, as in include. The first entry that fits a tag is its own."
    )
    publishing_interval_ms: float | None = Field(default=None, gt=0, description="How often the server sends them.")
    sampling_interval_ms: float | None = Field(default=None, ge=-1, description="How often the server looks.")
    queue_size: int | None = Field(
        default=None, ge=1, description="Values that the server keeps of each; 1: only the newest."
    )
    discard: Literal["oldest", "newest"] | None = Field(default=None, description="What a full queue drops.")
    deadband: DeadbandSetting | None = Field(default=None, description="By how much a value must change.")

    def chosen(self) -> dict[str, Any]:
        """What differs from the settings of the server, by name."""
        return self.model_dump(exclude={"match"}, exclude_none=True)


class SourceSettings(BaseModel):
    """One OPC UA server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Unique. Tags are remembered by it: under another name they are new ones.",
    )
    url: str = Field(
        json_schema_extra={"pattern": _ADDRESS}, description="Address: opc.tcp://host:port, with path if any."
    )
    redundant_urls: tuple[str, ...] = Field(
        default=(),
        description="Addresses of servers that stand in for this one: the one with the best ServiceLevel is used.",
    )
    security: SecuritySettings = Field(default=SecuritySettings(), description="Secure channel and user.")
    roots: tuple[str, ...] = Field(
        default=(),
        description="Browse paths below Objects where browsing begins: Machines/Line1. None: all but Server.",
    )
    include: tuple[str, ...] = Field(
        default=("**",), description="Patterns on browse paths below Objects: `*` within one name, `**` across names."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Patterns of what is left out; stronger than include.")
    publishing_interval_ms: float = Field(default=250.0, gt=0, description="How often the server sends what changed.")
    sampling_interval_ms: float = Field(
        default=0.0, ge=-1, description="How often the server looks; 0: every change, -1: as the publishing interval."
    )
    queue_size: int = Field(
        default=1_000, ge=2, description="Values of a tag that the server keeps while the link is cut."
    )
    discard: Literal["oldest", "newest"] = Field(
        default="oldest", description="What a full queue drops; newest: the end of an outage is lost."
    )
    deadband: DeadbandSetting = Field(
        default=0.0,
        description="By how much a number must change to be reported: in its unit, or `2 %` of its EURange.",
    )
    items: tuple[ItemSettings, ...] = Field(
        default=(), description="Tags that are monitored otherwise, by patterns; each interval is a subscription."
    )
    keepalive_s: float = Field(
        default=5.0, gt=0, description="A server that is silent for longer (and a margin) counts as gone."
    )
    lifetime_s: float = Field(
        default=600.0,
        gt=0,
        description="How long subscription and session stay at the server while the link is cut.",
    )
    timeout_s: float = Field(default=10.0, gt=0, description="For a connect and for one answer.")
    retry_max_s: float = Field(default=30.0, gt=0, description="Longest pause between two attempts to connect.")
    rebrowse_s: float = Field(default=60.0, ge=0, description="How often to look for new nodes; 0: only at connect.")
    retry_item_s: float = Field(
        default=5.0, gt=0, description="First pause before a tag that the server rejected is tried again."
    )
    events: bool = Field(default=True, description="Whether to subscribe the events of the Server object.")
    backfill: BackfillSettings = Field(default=BackfillSettings(), description="How history is read.")

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses, in the order in which they are preferred."""
        return (self.url, *self.redundant_urls)

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not re.search(_ADDRESS, url):
            raise ValueError(f"{url!r} is no address of an OPC UA server: write opc.tcp://host:port")
        return url

    @field_validator("redundant_urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(cls._is_an_address, urls))

    @model_validator(mode="after")
    def _each_server_once(self) -> Self:
        if len(set(self.urls)) < len(self.urls):
            raise ValueError("redundant_urls names an address twice, or that of url")
        return self

    @model_validator(mode="after")
    def _lives_longer_than_silence(self) -> Self:
        if self.lifetime_s < 3 * self.keepalive_s:
            raise ValueError("lifetime_s must be at least three times keepalive_s (OPC 10000-4, 5.14.2)")
        return self


_OF_THE_SESSION = ("name", "url", "redundant_urls", "security", "timeout_s")


def is_same_session(one: SourceSettings, other: SourceSettings) -> bool:
    """Whether a running source can go on with the other settings: all that differs are tags and how they are taken."""
    return all(getattr(one, name) == getattr(other, name) for name in _OF_THE_SESSION)
