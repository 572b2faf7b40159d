"""Who may come in: the server's certificate, and users with argon2 hashes. Made on the first start."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opcua_server.errors import ServerError
from opcua_server.files import write_whole
from opcua_server.uatypes import Foreign

OPERATOR = "operator"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
"""argon2id with the parameters of OWASP's password storage cheat sheet: about 20 ms, as it runs in the event loop."""
_CERTIFICATE_YEARS = 10
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Identity:
    """The server's certificate and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


def load_identity(folder: Path, uri: str, host: str) -> Identity:
    """The server's own certificate from `folder`, made when there is none. Raises ServerError."""
    certificate, key = folder / "own" / "certificate.der", folder / "own" / "key.pem"
    try:
        if not certificate.exists() or not key.exists():
            _make_identity(certificate, key, uri, host)
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ServerError(f"{key} is not an RSA key: remove {folder} and a new one is made")
        return Identity(x509.load_der_x509_certificate(certificate.read_bytes()), loaded)
    except ValueError as error:
        raise ServerError(f"{folder} holds no certificate that can be read ({error}): remove it") from error


def _make_identity(certificate: Path, key: Path, uri: str, host: str) -> None:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(key, pem, mode=0o600)
    write_whole(certificate, self_signed(made, uri, host).public_bytes(serialization.Encoding.DER))
    _log.info("made a certificate", file=str(certificate))


def self_signed(key: rsa.RSAPrivateKey, uri: str, host: str) -> x509.Certificate:
    """An application instance certificate (OPC 10000-6, 6.2.2) for a server on `host`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Conche chocolate plant")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _CERTIFICATE_YEARS))
        .add_extension(x509.SubjectAlternativeName(alternative_names(uri, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(extended, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def alternative_names(uri: str, host: str) -> list[x509.GeneralName]:
    """ApplicationUri, the machine's name, and the address the server listens on."""
    dns = sorted({socket.gethostname(), "localhost"} | ({host} if _address(host) is None else set()))
    address = _address(host)
    if address is None or address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1")
    return [x509.UniformResourceIdentifier(uri), *map(x509.DNSName, dns), x509.IPAddress(address)]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class Users:
    """Tells asyncua who a user is. A name that is not in the list, "admin" too, is nobody."""

    def __init__(self, hashes_: Mapping[str, str]) -> None:
        self._hashes = dict(hashes_)
        self._nobody = _HASHER.hash(secrets.token_hex())  # so that an unknown name takes as long as a wrong password

    def get_user(
        self, _server: Foreign, username: str | None = None, password: str | None = None, **_: Foreign
    ) -> User | None:
        """The user of a name and password; anonymous without a name; None if refused."""
        if username is None:
            return User(UserRole.Anonymous, "anonymous")
        known = username in self._hashes
        if is_password(self._hashes.get(username, self._nobody), password or "") and known:
            return User(UserRole.User, username)
        _log.warning("refused a user", user=username)
        return None


def is_password(hash_: str, password: str) -> bool:
    """Whether a password belongs to an argon2 hash."""
    try:
        return _HASHER.verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False


def load_users(folder: Path, password: str | None) -> Users:
    """The users of `folder`/users.yaml; makes the operator, with `password` or a random one. Raises ServerError."""
    users, secret = folder / "users.yaml", folder / "operator.password"
    known = parse_users(users.read_text()) if users.exists() else {}
    if password is not None and not is_password(known.get(OPERATOR, ""), password):
        _save_users(users, known | {OPERATOR: _HASHER.hash(password)})
        secret.unlink(missing_ok=True)
    elif OPERATOR not in known:
        generated = secrets.token_urlsafe(15)
        write_whole(secret, f"{generated}\n".encode(), mode=0o600)
        _save_users(users, known | {OPERATOR: _HASHER.hash(generated)})
        _log.info("made the user 'operator'", password_in=str(secret))
    return Users(parse_users(users.read_text()))


def parse_users(text: str) -> dict[str, str]:
    """Users of lines `name: argon2 hash`; comments start with #. Raises ServerError."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    users = {name: hash_ for name, _, hash_ in (line.partition(": ") for line in lines)}
    if wrong := [name for name, hash_ in users.items() if not hash_.strip().startswith("$argon2")]:
        raise ServerError(f"users.yaml: no argon2 hash for {wrong[0]!r}: a line must read 'name: $argon2id$…'")
    return {name.strip(): hash_.strip() for name, hash_ in users.items()}


def _save_users(path: Path, users: Mapping[str, str]) -> None:
    lines = ["# users of the plant's OPC UA server, each with an argon2 hash of the password"]
    lines += [f"{name}: {hash_}" for name, hash_ in sorted(users.items())]
    write_whole(path, "\n".join([*lines, ""]).encode(), mode=0o600)
