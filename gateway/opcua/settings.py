"""Settings of an OPC UA source: which server, how to reach it safely, what to take from it and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Policy = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]


class SecuritySettings(BaseModel):
    """The secure channel and who we are on it. What is asked for here is what is used: there is no fall-back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Policy = "None"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"  # of no meaning with policy None
    user: str = ""  # empty: anonymous
    password: SecretStr = SecretStr("")
    server_certificate: Path | None = None  # the only certificate (.pem or .der) we accept; None: the endpoint's own

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

    enabled: bool = True
    first_history_s: Annotated[float, Field(ge=0)] = 86_400  # how far back at the first sight of a tag; 0: not at all
    settle_s: Annotated[float, Field(ge=0)] = 2.0  # time for the server to have in its history what it just reported
    nodes_per_call: Annotated[int, Field(ge=1)] = 20  # nodes in flight; fewer where the server says so
    values_per_node: Annotated[int, Field(ge=2)] = 1_000  # of one answer; more follow by continuation point
    pause_s: Annotated[float, Field(ge=0)] = 0.02  # between two calls, so that live values and other clients go first
    timeout_s: Annotated[float, Field(gt=0)] = 60.0


class SourceSettings(BaseModel):
    """One OPC UA server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    url: Annotated[str, Field(pattern=r"^opc\.tcp://[^\s/]+(/\S*)?$")]
    security: SecuritySettings = SecuritySettings()
    roots: tuple[str, ...] = ()  # browse paths below Objects, "Machines/Line1"; none: all of Objects but Server
    include: tuple[str, ...] = ("**",)  # glob patterns on the browse path below Objects: "Machines/**", "**/Energy/*"
    exclude: tuple[str, ...] = ()
    publishing_interval_ms: Annotated[float, Field(gt=0)] = 250
    sampling_interval_ms: Annotated[float, Field(ge=-1)] = 0  # 0: every change, as fast as the server can
    queue_size: Annotated[int, Field(ge=2)] = 1_000  # values a tag that the server keeps while we are away
    keepalive_s: Annotated[float, Field(gt=0)] = 5.0  # a server that is silent for longer (and a margin) is gone
    lifetime_s: Annotated[float, Field(gt=0)] = 600.0  # how long server-side subscription and session outlive us
    timeout_s: Annotated[float, Field(gt=0)] = 10.0  # for one answer
    retry_max_s: Annotated[float, Field(gt=0)] = 30.0  # longest pause between two attempts to connect
    rebrowse_s: Annotated[float, Field(ge=0)] = 60.0  # look for new nodes; 0: only at connect
    retry_item_s: Annotated[float, Field(gt=0)] = 5.0  # first pause before a rejected item is tried again
    events: bool = True
    backfill: BackfillSettings = BackfillSettings()

    @model_validator(mode="after")
    def _lives_longer_than_silence(self) -> Self:
        if self.lifetime_s < 3 * self.keepalive_s:
            raise ValueError("lifetime_s must be at least three times keepalive_s (OPC 10000-4, 5.14.2)")
        return self
