"""Who may read, write and call, and how one gets in."""

from __future__ import annotations

import socket
import stat
from datetime import UTC, datetime

import pytest
from asyncua import Client, ua
from asyncua.common.node import Node
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from support_plant_server import PASSWORD, Served, node

from opcua_server.errors import ServerError
from opcua_server.security import is_password, load_identity, load_users, parse_users
from opcua_server.services.stack import APPLICATION_URI
from opcua_server.settings import ServerSettings

shared = pytest.mark.asyncio(loop_scope="session")


async def refusal(writing: object) -> str:
    """The name of the status code that refuses something."""
    with pytest.raises(UaStatusCodeError) as caught:
        await writing
    return ua.StatusCode(caught.value.code).name


async def write(target: Node, value: float | str, type_: ua.VariantType) -> str:
    written = ua.WriteValue(target.nodeid, ua.AttributeIds.Value, Value=ua.DataValue(ua.Variant(value, type_)))
    (status,) = await target.session.write(ua.WriteParameters(NodesToWrite=[written]))
    return status.name


async def call(client: Client, method: str, *arguments: ua.Variant, of: str = "Simulation") -> ua.CallMethodResult:
    request = ua.CallMethodRequest(
        ObjectId=(await node(client, of)).nodeid,
        MethodId=(await node(client, f"Simulation.{method}")).nodeid,
        InputArguments=list(arguments),
    )
    (result,) = await client.uaclient.call([request])
    return result


@shared
async def test_the_plain_endpoint_is_for_anonymous_the_encrypted_one_for_named_users(client: Client) -> None:
    endpoints = await client.get_endpoints()
    offered = {
        (e.SecurityPolicyUri.split("#")[1], e.SecurityMode.name, t.TokenType.name)
        for e in endpoints
        for t in e.UserIdentityTokens
    }
    assert offered == {("None", "None_", "Anonymous"), ("Basic256Sha256", "SignAndEncrypt", "UserName")}


@shared
async def test_anonymous_cannot_write(client: Client) -> None:
    assert await write(await node(client, "Simulation.Speed"), 120.0, ua.VariantType.Double) == "BadUserAccessDenied"


@shared
@pytest.mark.parametrize("method", ["Pause", "Resume", "InjectFault", "Reset"])
async def test_anonymous_cannot_call(client: Client, method: str) -> None:
    assert (await call(client, method)).StatusCode.name == "BadUserAccessDenied"


@shared
async def test_the_access_level_shows_what_this_user_may(client: Client, operator: Client) -> None:
    for who, may in ((client, False), (operator, True)):
        speed = await node(who, "Simulation.Speed")
        assert (ua.AccessLevel.CurrentWrite in await speed.get_user_access_level()) == may
        pause = await node(who, "Simulation.Pause")
        executable = await pause.read_attribute(ua.AttributeIds.UserExecutable)
        assert executable.Value.Value == may


@shared
async def test_the_operator_writes_the_speed(operator: Client) -> None:
    speed = await node(operator, "Simulation.Speed")
    before = await speed.read_value()
    assert await write(speed, 90.0, ua.VariantType.Double) == "Good"
    assert await speed.read_value() == 90.0
    assert await write(speed, before, ua.VariantType.Double) == "Good"


@shared
@pytest.mark.parametrize("value", [-1.0, 0.0, 3601.0, float("nan"), float("inf")])
async def test_a_speed_out_of_range_is_refused_and_changes_nothing(operator: Client, value: float) -> None:
    speed = await node(operator, "Simulation.Speed")
    before = await speed.read_value()
    assert await write(speed, value, ua.VariantType.Double) == "BadOutOfRange"
    assert await speed.read_value() == before


@shared
async def test_a_speed_of_another_type_is_refused(operator: Client) -> None:
    speed = await node(operator, "Simulation.Speed")
    assert await write(speed, "fast", ua.VariantType.String) == "BadTypeMismatch"
    assert await write(speed, 60, ua.VariantType.Int32) == "BadTypeMismatch"


@shared
async def test_nobody_writes_what_the_plant_measures(operator: Client) -> None:
    measured = await node(operator, "Line1.Tempering.Process.Zone2Temperature")
    assert await write(measured, 30.0, ua.VariantType.Double) == "BadNotWritable"
    nothing = operator.get_node(ua.NodeId("Line1.Nothing", measured.nodeid.NamespaceIndex))
    assert await write(nothing, 30.0, ua.VariantType.Double) == "BadNodeIdUnknown"


@shared
async def test_wrong_arguments_are_refused_by_name(operator: Client) -> None:
    text, number = ua.Variant("Roasting"), ua.Variant(1, ua.VariantType.Int32)
    missing = await call(operator, "InjectFault", text)
    many = await call(operator, "InjectFault", text, text, text)
    wrong = await call(operator, "InjectFault", text, number)
    unknown = await call(operator, "InjectFault", ua.Variant("Bakery"), ua.Variant("Oven"))
    no_fault = await call(operator, "InjectFault", text, ua.Variant("Oven"))
    foreign = await call(operator, "Pause", of="Line1.Tempering")
    assert missing.StatusCode.name == "BadArgumentsMissing"
    assert many.StatusCode.name == "BadTooManyArguments"
    assert [s.name for s in (wrong.StatusCode, *wrong.InputArgumentResults)] == [
        "BadInvalidArgument", "Good", "BadTypeMismatch"
    ]  # fmt: skip
    assert [s.name for s in (unknown.StatusCode, *unknown.InputArgumentResults)] == [
        "BadInvalidArgument", "BadOutOfRange", "Good"
    ]  # fmt: skip
    assert no_fault.InputArgumentResults[1].name == "BadOutOfRange"
    assert foreign.StatusCode.name == "BadMethodInvalid"


@shared
async def test_methods_tell_their_arguments(client: Client) -> None:
    inject = await node(client, "Simulation.InjectFault")
    (arguments,) = await inject.get_properties()
    station, fault = await arguments.read_value()
    assert (station.Name, fault.Name) == ("Station", "Fault")
    assert "BurnerFault" in fault.Description.Text


@shared
@pytest.mark.parametrize(("name", "password"), [("operator", "wrong"), ("admin", "admin"), ("Admin", ""), ("", "")])
async def test_who_is_not_known_is_refused(served: Served, name: str, password: str) -> None:
    async def enter() -> None:
        async with served.user(name, password):
            pass

    assert await refusal(enter()) in {"BadUserAccessDenied", "BadIdentityTokenRejected"}


@shared
async def test_a_name_is_not_taken_over_a_plain_channel(served: Served) -> None:
    async def enter() -> None:
        client = Client(served.url)
        client.set_user("operator")
        client.set_password(PASSWORD)
        async with client:
            pass

    assert await refusal(enter()) in {"BadIdentityTokenRejected", "BadIdentityTokenInvalid"}


@shared
async def test_nobody_changes_the_address_space(operator: Client) -> None:
    assert await refusal(operator.nodes.objects.add_folder(2, "Mine")) == "BadServiceUnsupported"


@shared
async def test_sessions_cannot_be_guessed(served: Served) -> None:
    tokens = set()
    for _ in range(3):
        async with served.anonymous() as client:
            tokens.add(str(client.uaclient.session.authentication_token.Identifier))
    assert len(tokens) == 3
    assert min(len(token) for token in tokens) >= 32


def test_the_certificate_names_the_application_and_its_addresses(settings: ServerSettings) -> None:
    pki = settings.state / "new"
    identity = load_identity(pki, APPLICATION_URI, "127.0.0.1")
    certificate = identity.certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 2048
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [APPLICATION_URI]
    assert socket.gethostname() in names.get_values_for_type(x509.DNSName)
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert all((usage.digital_signature, usage.content_commitment, usage.key_encipherment, usage.data_encipherment))
    assert certificate.not_valid_after_utc.replace(tzinfo=UTC) > datetime.now(UTC)
    assert stat.S_IMODE((pki / "own" / "key.pem").stat().st_mode) == 0o600
    assert load_identity(pki, APPLICATION_URI, "127.0.0.1").certificate == certificate


def test_the_first_start_makes_an_operator_with_a_secret_password(settings: ServerSettings) -> None:
    users = load_users(settings.state, None)
    secret = settings.state / "operator.password"
    password = secret.read_text().strip()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(password) >= 16
    assert users.get_user(None, "operator", password)
    assert users.get_user(None, "operator", "guess") is None
    assert password not in (settings.state / "users.yaml").read_text()
    load_users(settings.state, None)
    assert secret.read_text().strip() == password


def test_a_password_from_the_settings_replaces_the_old_one(settings: ServerSettings) -> None:
    load_users(settings.state, None)
    old = (settings.state / "operator.password").read_text().strip()
    users = load_users(settings.state, PASSWORD)
    assert users.get_user(None, "operator", PASSWORD)
    assert users.get_user(None, "operator", old) is None
    assert not (settings.state / "operator.password").exists()


def test_users_are_lines_of_name_and_hash() -> None:
    assert parse_users("# people\n\nann: $argon2id$x\n") == {"ann": "$argon2id$x"}
    with pytest.raises(ServerError, match="no argon2 hash for 'bob'"):
        parse_users("bob: secret\n")


def test_a_hash_that_is_none_fits_no_password() -> None:
    assert not is_password("", "anything")


@shared
async def test_a_session_is_known_by_its_token_only(served: Served) -> None:
    async with served.anonymous() as client:
        own = client.uaclient.protocol.authentication_token
        client.uaclient.protocol.authentication_token = ua.NodeId("guessed", 1)
        assert await refusal(client.get_namespace_array()) == "BadSessionIdInvalid"
        client.uaclient.protocol.authentication_token = own
        assert await client.get_namespace_array()


@shared
async def test_a_call_that_asks_nothing_or_too_much_is_refused(client: Client) -> None:
    nodes = [ua.ReadValueId(NodeId=ua.NodeId(2258), AttributeId=ua.AttributeIds.Value)] * 10_001
    assert await refusal(client.uaclient.read(ua.ReadParameters(NodesToRead=[]))) == "BadNothingToDo"
    assert await refusal(client.uaclient.read(ua.ReadParameters(NodesToRead=nodes))) == "BadTooManyOperations"
    limit = await client.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead).read_value()
    assert limit == 10_000
