"""The demo's broker carries messages on the loopback address, and `conche watch` shows them."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from paho.mqtt import publish
from support_demo import free_ports
from support_tls import loopback_pem, serving_with
from typer.testing import CliRunner

from conche import broker
from conche.commands import app
from conche.failure import Failure
from conche.watch import Subscriber, readable

ROOT = Path(__file__).parents[3]
INSTALLED = [kind for kind in ("mosquitto", "amqtt") if kind == "amqtt" or broker.find_mosquitto()]


@dataclass
class Broker:
    kind: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def publish(self, topic: str, payload: bytes | str) -> None:
        publish.single(topic, payload, qos=1, retain=True, hostname="127.0.0.1", port=self.port)


def start(kind: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "conche.broker", kind, str(port), str(folder / "state")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})


def until_listening(pid: int, folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not any(c.status == psutil.CONN_LISTEN for p in family(pid) for c in p.net_connections()):
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.05)


@pytest.fixture(scope="module", params=INSTALLED)
def running(request, tmp_path_factory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp(request.param)
    (port,) = free_ports(1)
    process = start(request.param, port, folder)
    until_listening(process.pid, folder)
    yield Broker(request.param, port, process, folder / "log")
    process.kill()
    process.wait()


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def test_messages_go_through_and_watch_prints_them(running):
    running.publish("choco/berlin/Roasting/Temperature", '{"value": 121.5}')
    running.publish("spBv1.0/choco/NBIRTH/conche", b"\x08\x01text")
    shown = CliRunner().invoke(app, ["watch", "#", "--port", str(running.port), "--count", "2"])
    assert shown.exit_code == 0
    assert sorted(line for line in shown.stdout.splitlines()) == [
        'choco/berlin/Roasting/Temperature {"value": 121.5}',
        "spBv1.0/choco/NBIRTH/conche <6 bytes>",
    ]


def test_watch_shows_only_the_topics_asked_for(running):
    running.publish("a/1", "one")
    running.publish("b/1", "two")
    shown = CliRunner().invoke(app, ["watch", "b/+", "--port", str(running.port), "-n", "1"])
    assert shown.stdout == "b/1 two\n"


def test_a_wrong_topic_filter_is_said(running):
    subscriber = Subscriber(["a/#/b"], lambda *_: True)
    with pytest.raises(Failure, match="a topic filter is wrong"):
        subscriber.run("127.0.0.1", running.port)


def test_it_listens_on_the_loopback_address_only(running):
    addresses = {
        c.laddr.ip for p in family(running.process.pid) for c in p.net_connections() if c.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_it_stops_on_sigint_and_leaves_nothing(running):
    """The last test of each broker."""
    processes = family(running.process.pid)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(5) == 0
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    if running.kind == "amqtt":
        assert "for the demo only" in running.log.read_text()


@pytest.mark.parametrize("kind", INSTALLED if sys.platform == "linux" else ["amqtt"])
def test_no_broker_outlives_its_keeper(kind, tmp_path):
    """On Linux the kernel sees to it; elsewhere a Mosquitto whose keeper is killed hard stays."""
    (port,) = free_ports(1)
    keeper = start(kind, port, tmp_path)
    until_listening(keeper.pid, tmp_path)
    processes = family(keeper.pid)
    keeper.kill()
    keeper.wait()
    assert psutil.wait_procs(processes, timeout=5)[1] == []


def test_no_broker_is_one_clear_line():
    (port,) = free_ports(1)
    with pytest.raises(Failure, match=rf"^no MQTT broker answers on 127\.0\.0\.1:{port} .*--port$"):
        Subscriber(["#"], lambda *_: True).run("127.0.0.1", port)


@pytest.mark.parametrize(
    ("topic", "payload", "shown"),
    [
        ("a", b"21.5", "21.5"),
        ("a", '{"unit": "°C"}'.encode(), '{"unit": "°C"}'),
        ("a", b"", ""),
        ("a", b"\xff\x00", "<2 bytes>"),
        ("a", b"bell\x07", "<5 bytes>"),
        ("spBv1.0/STATE/host", b'{"online": true}', '{"online": true}'),
        ("spBv1.0/choco/DDATA/conche/x", b"@A", "<2 bytes>"),
    ],
)
def test_a_payload_is_shown_as_text_or_by_its_length(topic, payload, shown):
    assert readable(topic, payload) == shown


def test_what_is_no_broker_is_said_once():
    def hang_up(listener: socket.socket) -> None:
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        hanging_up = threading.Thread(target=hang_up, args=(listener,))
        hanging_up.start()
        shown = CliRunner().invoke(app, ["watch", "--port", str(listener.getsockname()[1])])
        hanging_up.join()
    assert isinstance(shown.exception, Failure)
    assert (
        str(shown.exception) == "what listens there hangs up: is it an MQTT broker, and without TLS? See --port, --tls"
    )


def test_a_certificate_that_is_not_trusted_is_said(tmp_path):
    certificate = loopback_pem(tmp_path)

    def greet(listener: socket.socket) -> None:
        with suppress(ssl.SSLError, OSError):
            serving_with(certificate).wrap_socket(listener.accept()[0], server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        greeting = threading.Thread(target=greet, args=(listener,))
        greeting.start()
        command = [sys.executable, "-m", "conche.main", "watch", "--tls", "--port", str(port)]
        shown = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        greeting.join()
    assert shown.stderr.startswith(f"conche: the certificate of 127.0.0.1:{port} is not trusted (")
    missing = CliRunner().invoke(app, ["watch", "--ca", str(tmp_path / "nothing")])
    assert str(missing.exception) == f"{tmp_path / 'nothing'} cannot be used as --ca: No such file or directory"
