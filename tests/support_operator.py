"""The operator's client: user name and password over an encrypted channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.x509.oid import ExtendedKeyUsageOID
from support_demo import Demo

LINE = "urn:conche:chocolate-line"


@asynccontextmanager
async def operator(demo: Demo, folder: Path) -> AsyncIterator[Client]:
    """A client that may write; its key lies in `folder`."""
    client = Client(demo.opcua_url)
    key, certificate = folder / "key.pem", folder / "certificate.der"
    await setup_self_signed_certificate(
        key, certificate, client.application_uri, "localhost", [ExtendedKeyUsageOID.CLIENT_AUTH], {}
    )
    await client.set_security(SecurityPolicyBasic256Sha256, str(certificate), str(key))
    client.set_user("operator")
    client.set_password(demo.operator_password())
    async with client:
        yield client


async def call(client: Client, method: str, *arguments: str) -> None:
    """Call a method of the Simulation object."""
    index = await client.get_namespace_index(LINE)
    await client.get_node(ua.NodeId("Simulation", index)).call_method(ua.QualifiedName(method, index), *arguments)


@asynccontextmanager
async def hurried(client: Client) -> AsyncIterator[None]:
    """The plant at an hour a second."""
    index = await client.get_namespace_index(LINE)
    speed = client.get_node(ua.NodeId("Simulation.Speed", index))
    usual = await speed.read_value()
    await speed.write_value(ua.DataValue(ua.Variant(3600.0, ua.VariantType.Double)))
    try:
        yield
    finally:
        await speed.write_value(ua.DataValue(ua.Variant(usual, ua.VariantType.Double)))
