"""A gateway that cannot start leaves alone those who run."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.contract import GatewayError
from gateway.gateway import Gateway
from gateway.settings import parse


async def test_without_its_port_a_gateway_meets_no_broker_and_no_server(tmp_path: Path) -> None:
    """Its names at the broker may be those of the gateway that has the port: it would be thrown out there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {
            "state": str(tmp_path),
            "sources": [{"name": "plant", "url": "opc.tcp://127.0.0.1:1"}],
            "page": {"port": taken.getsockname()[1]},
        }
        gateway = Gateway(parse(settings))
        try:
            with pytest.raises(GatewayError, match=r"Address already in use.*: set page\.port"):
                await gateway.start()
            assert (gateway.status.sinks, gateway.status.sources) == ({}, {})
        finally:
            await gateway.stop()
