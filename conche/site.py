"""A site file: what `conche run` starts together. The demo's is config/demo.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conche.config import Document, Findings, OwnProblem, ReadText, read_text
from conche.kinds import Kind, expect

if TYPE_CHECKING:  # the rooms are slow to import: each command takes what it needs
    from gateway.settings import GatewaySettings
    from opcua_server.settings import ServerSettings
    from plant_model.spec import PlantSpec

DEMO = Path("config/demo.yaml")


class BrokerKind(StrEnum):
    """Which broker is started."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


class BrokerSettings(BaseModel):
    """The demo's own broker, on the loopback address. Leave the section out where another broker serves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: BrokerKind = Field(default=BrokerKind.AUTO, description="auto: Mosquitto if it is installed, else amqtt")
    port: int = Field(default=1883, ge=1, le=65535, description="TCP port")


class SiteSettings(BaseModel):
    """What stands in a site file. A section left out is a part that is not started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Path = Field(default=Path("var"), description="folder of everything that outlives a stop")
    broker: BrokerSettings | None = Field(default=None, description="the demo's own MQTT broker")
    plant: dict[str, Any] | None = Field(
        default=None, description="`model`: the plant's file; all else sets its OPC UA server"
    )
    gateway: Path | None = Field(default=None, description="the gateway's settings file")


@dataclass(frozen=True, slots=True)
class Plant:
    """A plant that can be started."""

    spec: PlantSpec
    server: ServerSettings


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose every setting was found good."""

    file: Path
    state: Path
    broker: BrokerSettings | None
    plant: Plant | None
    gateway_file: Path | None
    gateway: GatewaySettings | None


class _SiteError(Exception):
    def __init__(self, error: ValidationError) -> None:
        super().__init__(str(error))
        self.problems = [OwnProblem(one["loc"], one["msg"]) for one in error.errors(include_input=False)]


def load_site(file: Path, environment: Mapping[str, str]) -> Site:
    """Read a site file and every file it names. Raises ConfigError with all that is wrong in any of them."""
    findings = Findings()
    document, settings = _load_settings(file, environment, findings)
    plant = _plant(document, settings, environment, findings) if settings.plant is not None else None
    gateway_file = beside(file, settings.gateway) if settings.gateway else None
    handed_down = {**environment, **exports(settings.state, settings.broker, plant)}
    gateway = _gateway(gateway_file, handed_down, findings) if gateway_file else None
    if settings.broker is None and settings.plant is None and gateway_file is None:
        findings.add(document, (), "starts nothing: it has none of the sections broker, plant, gateway")
    findings.settle()
    return Site(file, settings.state, settings.broker, plant, gateway_file, gateway)


def load_plant(file: Path, environment: Mapping[str, str]) -> Plant:
    """Read the plant of a site file. Raises ConfigError."""
    findings = Findings()
    document, settings = _load_settings(file, environment, findings)
    if settings.plant is None:
        findings.add(document, ("plant",), "is missing: this file starts no plant")
    plant = _plant(document, settings, environment, findings) if settings.plant is not None else None
    findings.settle()
    assert plant is not None
    return plant


def load_gateway(
    file: Path, environment: Mapping[str, str], running: GatewaySettings | None = None, read: ReadText = read_text
) -> GatewaySettings:
    """Read a gateway's settings file, for one that is `running` to go on with. Raises ConfigError."""
    findings = Findings(read)
    settings = _gateway(file, environment, findings, running)
    findings.settle()
    assert settings is not None
    return settings


def load_model(file: Path, environment: Mapping[str, str]) -> PlantSpec:
    """Read a plant's file. Raises ConfigError."""
    findings = Findings()
    spec = _model(file, environment, findings)
    findings.settle()
    assert spec is not None
    return spec


def exports(state: Path, broker: BrokerSettings | None, plant: Plant | None) -> dict[str, str]:
    """What a site's other files and processes take from it, as environment variables."""
    variables = {"CONCHE_STATE": str(state)}
    if broker is not None:
        variables["CONCHE_MQTT_PORT"] = str(broker.port)
    if plant is not None:
        variables["CONCHE_OPCUA_PORT"] = str(plant.server.port)
    return variables


def beside(file: Path, other: Path) -> Path:
    """A path that stands in a file: relative to it."""
    return file.parent / other.expanduser()


def _load_settings(file: Path, environment: Mapping[str, str], findings: Findings) -> tuple[Document, SiteSettings]:
    document = expect(Kind.SITE, findings.load(file, environment), findings)
    settings = findings.parse(document, _settings, _SiteError)
    return document, settings or _sections(document.data)


def _settings(data: Mapping[str, Any]) -> SiteSettings:
    try:
        return SiteSettings.model_validate(data)
    except ValidationError as error:
        raise _SiteError(error) from error


def _sections(data: Mapping[str, Any]) -> SiteSettings:
    """What can be looked into although something else in the file is wrong."""
    plant, gateway = data.get("plant"), data.get("gateway")
    return SiteSettings(
        plant=plant if isinstance(plant, dict) else None, gateway=Path(gateway) if isinstance(gateway, str) else None
    )


def _plant(
    document: Document, settings: SiteSettings, environment: Mapping[str, str], findings: Findings
) -> Plant | None:
    from opcua_server import settings as opcua  # noqa: PLC0415

    section = {"state": settings.state / "plant"} | (settings.plant or {})
    model = section.pop("model", None)
    server = findings.parse_section(document, ("plant",), section, opcua.parse, opcua.SettingsError)
    if not isinstance(model, str):
        findings.add(document, ("plant", "model"), "is missing: name the plant's file, such as plant/choco.yaml")
        return None
    spec = _model(beside(document.file, Path(model)), environment, findings)
    return Plant(spec, server) if spec is not None and server is not None else None


def _model(file: Path, environment: Mapping[str, str], findings: Findings) -> PlantSpec | None:
    from plant_model import spec  # noqa: PLC0415

    document = expect(Kind.PLANT, findings.load(file, environment), findings)
    return findings.parse(document, spec.parse, spec.SpecError)


def _gateway(
    file: Path, environment: Mapping[str, str], findings: Findings, running: GatewaySettings | None = None
) -> GatewaySettings | None:
    from gateway import reload, settings  # noqa: PLC0415

    parse = partial(reload.parse_change, running=running) if running else settings.parse
    document = expect(Kind.GATEWAY, findings.load(file, environment), findings)
    return findings.parse(document, lambda data: parse(data, folder=file.parent), settings.SettingsError)
