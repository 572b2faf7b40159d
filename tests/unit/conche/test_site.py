"""A site file and the files it names: all that is wrong in any of them is said at once, with file and line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conche.commands import app
from conche.config import ConfigError
from conche.main import main
from conche.run import listeners, reachable, services
from conche.site import BrokerKind, load_plant, load_site

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "config" / "demo.yaml"
PORTS = {"CONCHE_OPCUA_PORT": "14840", "CONCHE_MQTT_PORT": "11883", "CONCHE_PAGE_PORT": "18080"}


@pytest.fixture
def write(tmp_path: Path):
    """A site file with a real plant and a real gateway beside it; each can be replaced."""
    (tmp_path / "plant.yaml").write_text((ROOT / "config/plant/choco.yaml").read_text())
    (tmp_path / "gateway.yaml").write_text((ROOT / "config/gateway/demo.yaml").read_text())

    def write(text: str, name: str = "site.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def said(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load_site(file, {})
    return [str(finding).replace(f"{file.parent}/", "") for finding in error.value.findings]


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The command line as a person calls it: exit code, stdout, stderr."""
    monkeypatch.setattr("sys.argv", ["conche", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_demo_takes_state_and_ports_from_the_environment(tmp_path):
    site = load_site(DEMO, PORTS | {"CONCHE_STATE": str(tmp_path)})
    assert [listener.port for listener in listeners(site)] == [11883, 14840, 18080]
    assert site.plant is not None
    assert site.plant.server.state == tmp_path / "plant"
    assert site.gateway is not None
    assert site.gateway.state == tmp_path / "gateway"


def test_without_an_environment_the_demo_has_the_usual_ports_on_the_loopback_address():
    site = load_site(DEMO, {})
    assert [(one.host, one.port) for one in listeners(site)] == [
        ("127.0.0.1", 1883),
        ("127.0.0.1", 4840),
        ("127.0.0.1", 8080),
    ]


def test_what_the_site_file_sets_reaches_the_gateway(write):
    """The gateway's file asks the environment; a port that stands in the site file must win."""
    site = load_site(
        write(
            "state: elsewhere\nbroker: {port: 2883}\nplant: {model: plant.yaml, port: 5840}\ngateway: gateway.yaml\n"
        ),
        PORTS,
    )
    assert site.gateway is not None
    assert site.gateway.sources[0].url == "opc.tcp://127.0.0.1:5840"
    assert site.gateway.state == Path("elsewhere/gateway")
    parts = {one.name: one for one in services(site, BrokerKind.MOSQUITTO, {"PATH": "/bin"})}
    assert list(parts) == ["broker", "plant", "gateway"]
    assert parts["gateway"].environment["CONCHE_MQTT_PORT"] == "2883"
    assert parts["gateway"].environment["PATH"] == "/bin"
    assert sum(part.stop_s for part in parts.values()) < 5


@pytest.mark.parametrize(("kind", "protocol"), [(BrokerKind.AMQTT, "3.1.1"), (BrokerKind.MOSQUITTO, "auto")])
def test_the_gateway_is_told_which_mqtt_the_broker_speaks(kind, protocol):
    """amqtt does not answer an MQTT 5 client at all."""
    parts = {one.name: one for one in services(load_site(DEMO, {}), kind, {})}
    assert parts["gateway"].environment["CONCHE_MQTT_PROTOCOL"] == protocol


def test_a_part_left_out_is_not_started(write):
    site = load_site(write("gateway: gateway.yaml\n"), {})
    assert [one.what for one in listeners(site)] == ["page"]
    assert [one.name for one in services(site, None, {})] == ["gateway"]


def test_everything_wrong_in_every_file_is_said_at_once(write):
    plant = (ROOT / "config/plant/choco.yaml").read_text()
    gateway = (ROOT / "config/gateway/demo.yaml").read_text()
    write(plant + "\nsurprise: 1\n", "plant.yaml")
    write(gateway.replace("sources:", "unknown: 1\nsources:"), "gateway.yaml")
    file = write(
        "state: ${NOWHERE}\n"
        "broker: {port: 99999}\n"
        "plant:\n"
        "  model: plant.yaml\n"
        "  speed: -1\n"
        "  colour: brown\n"
        "gateway: gateway.yaml\n"
        "gatway: x\n"
    )
    lines = said(file)
    surprise = plant.count("\n") + 2
    unknown = gateway[: gateway.index("sources:")].count("\n") + 1
    assert f"gateway.yaml:{unknown}: unknown: " in "\n".join(lines)
    assert f"plant.yaml:{surprise}: surprise: is unknown here" in "\n".join(lines)
    assert [line.partition(": ")[0] for line in lines if line.startswith("site.yaml")] == [
        "site.yaml:1",
        "site.yaml:2",
        "site.yaml:5",
        "site.yaml:6",
        "site.yaml:8",
    ]
    assert "site.yaml:1: state: the environment variable NOWHERE is not set" in lines


def test_files_that_are_not_there_are_said_with_the_site(write):
    file = write("plant: {model: none.yaml}\ngateway: nowhere.yaml\n")
    assert said(file) == [
        "none.yaml: cannot be read: No such file or directory",
        "nowhere.yaml: cannot be read: No such file or directory",
    ]


def test_a_plant_needs_a_model_and_a_site_for_conche_plant_needs_a_plant(write):
    assert said(write("plant:\n  speed: 1\n")) == [
        "site.yaml:1: plant.model: is missing: name the plant's file, such as plant/choco.yaml"
    ]
    with pytest.raises(ConfigError, match="plant: is missing: this file starts no plant"):
        load_plant(write("state: x\n"), {})


def test_check_says_good_for_every_file_that_is_shipped(monkeypatch, capsys):
    for name in PORTS:
        monkeypatch.delenv(name, raising=False)
    files = [DEMO, ROOT / "config/gateway/demo.yaml", ROOT / "config/plant/choco.yaml"]
    code, out, err = run("check", *map(str, files), monkeypatch=monkeypatch, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{file}: good ({kind})" for file, kind in zip(files, ("site", "gateway", "plant"), strict=True)
    ]


def test_check_ends_with_2_and_says_each_mistake_once(write, monkeypatch, capsys):
    file = str(write("plant:\n  model: plant.yaml\n  speed: fast\n"))
    code, _, err = run("check", file, file, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith(f"{file}:3: plant.speed: ")


def test_run_with_bad_settings_ends_with_2_and_starts_nothing(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONCHE_STATE", str(tmp_path / "var"))
    code, _, err = run("run", str(write("brokr: {}\n")), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "site.yaml:1: brokr: " in err
    assert not (tmp_path / "var").exists()


def test_run_of_an_empty_site_is_a_clear_line(write, tmp_path, monkeypatch, capsys):
    file = write(f"state: {tmp_path}/var\n")
    code, _, err = run("run", str(file), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert err == f"{file}:1: starts nothing: it has none of the sections broker, plant, gateway\n"
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("command", "file", "words"),
    [
        ("run", "config/gateway/demo.yaml", "is a gateway's file: start it with `conche gateway {file}`"),
        ("run", "config/plant/choco.yaml", "is a plant's file: name it in a site file, as plant.model"),
        ("plant", "config/scenarios/demand.yaml", "is a file of scenarios: run it with `conche scenario run {file}`"),
        ("gateway", "config/demo.yaml", "is a site file: start it with `conche run {file}`"),
        ("scenario run", "config/demo.yaml", "is a site file: start it with `conche run {file}`"),
    ],
)
def test_a_file_of_another_kind_is_named_in_one_line(command, file, words, monkeypatch, capsys):
    file = str(ROOT / file)
    code, _, err = run(*command.split(), file, monkeypatch=monkeypatch, capsys=capsys)
    assert (code, err) == (2, f"{file}: {words.format(file=file)}\n")


@pytest.mark.parametrize("command", ["run", "plant", "gateway", "check", "browse", "watch"])
def test_every_command_explains_itself(command):
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) > 8
    assert command in CliRunner().invoke(app, ["--help"]).stdout


def test_an_address_for_all_is_reached_by_loopback():
    assert reachable("0.0.0.0") == "127.0.0.1"
    assert reachable("::") == "::1"
    assert reachable("192.0.2.7") == "192.0.2.7"


def test_help_and_version_are_quick_and_load_no_room():
    """Every command imports what it needs itself, so that --help answers at once."""
    program = (
        "import sys, conche.commands\n"
        "heavy = {'asyncua', 'nicegui', 'numpy', 'simpy', 'boto3', 'plant_model', 'opcua_server', 'gateway'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"
