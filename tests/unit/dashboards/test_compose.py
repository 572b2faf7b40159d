"""The compose file: what it mounts exists, every part is watched, nothing has a default password or an open port."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conche.config import load
from conche.site import load_gateway, load_plant

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = {"MQTT_PASSWORD", "OPCUA_PASSWORD", "PAGE_PASSWORD", "INFLUX_PASSWORD", "INFLUX_TOKEN", "GRAFANA_PASSWORD"}
ENVIRONMENT = {name: f"{name.lower()}-for-a-test" for name in SECRETS}
STEPS = {"introduction"}  # run once, and end
each_service = pytest.mark.parametrize("name", sorted(SERVICES.keys() - STEPS))


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    return [tuple(volume.split(":")[:2]) for volume in service.get("volumes", [])]


def test_every_part_of_the_product_is_there():
    assert set(SERVICES) == {"mosquitto", "influxdb", "grafana", "plant", "gateway"} | STEPS
    assert SERVICES["influxdb"]["image"].startswith("influxdb:2.7")


@each_service
def test_what_is_mounted_exists(name):
    for source, _ in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            listed = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True)
            assert listed.stdout, f"{source} is in no commit"
        else:
            assert source in COMPOSE["volumes"], source


def test_every_named_volume_is_used():
    used = {source for service in SERVICES.values() for source, _ in mounts(service)}
    assert set(COMPOSE["volumes"]) <= used


@each_service
def test_every_service_is_watched_and_waits_only_for_what_is_watched(name):
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_completed_successfully" if other in STEPS else "service_healthy"}
        assert other in STEPS or "healthcheck" in SERVICES[other]


@each_service
def test_ports_are_published_on_the_loopback_address_only(name):
    ports = SERVICES[name]["ports"]
    assert ports
    assert [port for port in ports if not re.match(r"127\.0\.0\.1:\$\{CONCHE_[A-Z]+_PORT:-\d+\}:\d+$", port)] == []


def test_the_gateway_in_the_container_trusts_the_plant_that_was_introduced_to_it():
    """The plant's certificate is where the step looks, goes where the gateway looks, and is for the address it uses."""
    step, plant, gateway = (SERVICES[name] for name in ("introduction", "plant", "gateway"))
    inside = dict(mounts(step))
    verb, action, certificate, option, pki = step["command"]
    assert (verb, action, option) == ("trust", "add", "--pki")
    served = load_plant(ROOT / "config/compose/plant.yaml", ENVIRONMENT).server
    state = served.state.relative_to(dict(mounts(plant))["plant"])
    assert Path(certificate) == Path(inside["plant"]) / state / "pki" / "own" / "certificate.der"
    settings = load_gateway(ROOT / "config/compose/gateway.yaml", ENVIRONMENT)
    assert Path(pki) == settings.state / "pki"
    assert inside["gateway"] == dict(mounts(gateway))["gateway"]
    assert settings.sources[0].url == f"opc.tcp://{plant['hostname']}:{served.port}"
    assert step["restart"] == "no"


def test_no_secret_has_a_default():
    """Every secret must be set: `${NAME:?message}`; and nothing that looks like one is written out."""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", str(value)), f"{name}: {key}"
    assert set(re.findall(r"\$\{([A-Z_]+):\?", TEXT)) == SECRETS


def test_the_example_of_the_environment_has_every_secret_and_no_value():
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    assert {line.partition("=")[0] for line in lines} == SECRETS
    assert [line for line in lines if not line.endswith("=")] == []


def test_fresh_secrets_are_long_and_different_each_time():
    def fresh() -> dict[str, str]:
        command = ["sh", "config/compose/secrets.sh", ".env.example"]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return dict(re.findall(r"^([A-Z_]+)=(\S+)$", made, re.MULTILINE))

    first, second = fresh(), fresh()
    assert first.keys() == SECRETS
    assert min(map(len, first.values())) >= 32
    assert len({*first.values(), *second.values()}) == 2 * len(SECRETS)


@pytest.mark.parametrize("name", ["plant", "gateway"])
def test_the_product_runs_without_root_and_with_the_settings_that_are_mounted(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    command, file = service["command"]
    assert command == name
    inside = {target: source for source, target in mounts(service)}["/etc/conche"]
    assert (ROOT / inside / Path(file).relative_to("/etc/conche")).is_file()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER conche$", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("name", ["plant", "gateway"])
def test_settings_of_containers_need_no_variable_that_the_service_does_not_get(name):
    service = SERVICES[name]
    document = load(ROOT / "config" / Path(service["command"][1]).relative_to("/etc/conche"), service["environment"])
    assert document.findings == ()


def test_the_plant_listens_beyond_loopback_only_with_a_password():
    plant = load_plant(ROOT / "config" / "compose" / "plant.yaml", ENVIRONMENT)
    assert not plant.server.is_loopback
    assert plant.server.operator_password is not None
    assert plant.server.operator_password.get_secret_value() == ENVIRONMENT["OPCUA_PASSWORD"]


def test_the_image_gets_every_file_it_copies():
    """.dockerignore lets through what the Dockerfile copies; what it copies is in the repository."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert Path(source).parts[0] in allowed, source


@pytest.mark.parametrize("script", sorted((ROOT / "config" / "compose").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_executable_shell(script):
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["sh", "-n", script], check=True)


def test_the_gateway_in_the_container_is_the_demos_with_passwords():
    """Names, rules, contacts and the page are the demo's; only connections and passwords differ."""
    demo = load(ROOT / "config/gateway/demo.yaml", ENVIRONMENT).data
    own = load(ROOT / "config/compose/gateway.yaml", ENVIRONMENT).data
    for section in ("naming", "rules", "contacts"):
        assert own.get(section) == demo.get(section), section
    outside = {"host", "port", "password"}
    assert {k: v for k, v in own["page"].items() if k not in outside} == {
        k: v for k, v in demo.get("page", {}).items() if k not in outside
    }
    assert {sink["kind"] for sink in own["sinks"]} == {sink["kind"] for sink in demo["sinks"]} | {"influx"}
    assert own["sources"][0]["include"] == demo["sources"][0]["include"]


def test_the_gateway_in_the_container_is_let_in_everywhere_by_password():
    gateway = load_gateway(ROOT / "config/compose/gateway.yaml", ENVIRONMENT)
    (source,) = gateway.sources
    assert (source.security.policy, source.security.mode) == ("Basic256Sha256", "SignAndEncrypt")
    assert source.security.password.get_secret_value() == ENVIRONMENT["OPCUA_PASSWORD"]
    assert gateway.page.password is not None
    assert gateway.page.password.get_secret_value() == ENVIRONMENT["PAGE_PASSWORD"]
    for sink in gateway.sinks:
        if sink.kind in {"uns", "sparkplug"}:
            assert sink.broker.password.get_secret_value() == ENVIRONMENT["MQTT_PASSWORD"]
