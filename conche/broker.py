"""The demo's MQTT broker: Mosquitto where it is installed, else amqtt. It listens on the loopback address only."""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import structlog

from conche import lifeline, logs

HOST = "127.0.0.1"
_SIGNALLED = 128  # with the signal's number on top: the exit code of what a signal ended, as shells say it
_PLACES = (os.defpath, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # Debian's PATH has no sbin for users

log = structlog.get_logger(__name__)


def find_mosquitto() -> str | None:
    """The installed Mosquitto."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_PLACES))


def mosquitto_settings(port: int) -> str:
    """Mosquitto's configuration file for the demo: loopback, so no passwords; queues as long as a slow reader needs.

    It stays the user that started it: with a change of user the kernel forgets that it is to die with its keeper.
    """
    return (
        f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
        f"listener {port} {HOST}\n"
        "allow_anonymous true\n"
        "persistence false\n"
        "max_inflight_messages 1000\n"
        "max_queued_messages 100000\n"
        "log_dest stderr\n"
        "log_timestamp_format %Y-%m-%dT%H:%M:%S\n"
    )


def main() -> None:
    """`python -m conche.broker mosquitto|amqtt PORT STATE`, as the supervisor calls it."""
    parser = argparse.ArgumentParser(prog="conche.broker", description=__doc__)
    parser.add_argument("kind", choices=("mosquitto", "amqtt"))
    parser.add_argument("port", type=int)
    parser.add_argument("state", type=Path, help="folder for the configuration file")
    given = parser.parse_args()
    logs.configure()
    lifeline.hold()
    sys.exit(_run_mosquitto(given.port, given.state) if given.kind == "mosquitto" else _run_amqtt(given.port))


def _run_mosquitto(port: int, state: Path) -> int:
    program = find_mosquitto()
    if program is None:
        log.error("mosquitto is not installed")
        return 1
    state.mkdir(parents=True, exist_ok=True)
    file = state / "mosquitto.conf"
    file.write_text(mosquitto_settings(port))
    with subprocess.Popen(  # noqa: S603 - the program was found on the search path
        [program, "-c", str(file)],
        preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - only the lifeline's thread runs, and it holds no lock
    ) as mosquitto:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: mosquitto.terminate())
        code = mosquitto.wait()
    return code if code >= 0 else _SIGNALLED - code


def _run_amqtt(port: int) -> int:
    log.warning("amqtt is for the demo only: MQTT 3.1.1, no persistence, slow; install mosquitto for more")
    asyncio.run(_serve_amqtt(port))
    return 0


async def _serve_amqtt(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - slow to import, and not needed beside Mosquitto

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await stopped.wait()
    await broker.shutdown()


if __name__ == "__main__":
    main()
