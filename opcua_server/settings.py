"""What a person may set about the plant's OPC UA server."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

MAX_SPEED = 3600.0
"""Plant seconds per second: an hour of plant passes in a second. One core carries that with room to spare."""
MIN_SPEED = 0.1


@dataclass(frozen=True)
class Problem:
    """One thing wrong in the settings and where: ("port",), "Input should be less than …"."""

    path: tuple[str | int, ...]
    message: str


class SettingsError(ValueError):
    """Every problem of the settings at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.path)) or 'settings'}: {p.message}" for p in problems))
        self.problems = problems


class ServerSettings(BaseModel):
    """The plant's OPC UA server. Times in seconds of the wall clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1", min_length=1, description="address to listen on; only loopback offers anonymous access"
    )
    port: int = Field(4840, ge=0, le=65535, description="TCP port; 0 takes a free one")
    speed: float = Field(60.0, ge=MIN_SPEED, le=MAX_SPEED, description="plant seconds that pass in a second")
    seed: int = Field(1, ge=0, description="start of all randomness: the same seed gives the same plant")
    state: Path = Field(Path("var/plant"), description="folder of snapshot, history, certificate and users")
    history_days: float = Field(7.0, gt=0, le=3650, description="older values are deleted")
    past_s: float = Field(86400.0, ge=0, le=31 * 86400, description="how much past the first start makes up")
    operator_password: SecretStr | None = Field(
        None, min_length=8, description="password of the user 'operator'; generated on the first start when not given"
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse(data: Mapping[str, Any] | None) -> ServerSettings:
    """Settings from plain data. Raises SettingsError with every problem."""
    try:
        return ServerSettings.model_validate({} if data is None else data)
    except ValidationError as error:
        problems = (Problem(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False))
        raise SettingsError(tuple(problems)) from error
