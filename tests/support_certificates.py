"""Certificates as servers have them, good ones and others."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asyncua import Server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URI = "urn:test:server"


@dataclass(frozen=True)
class Wish:
    """What a certificate is to say."""

    uri: str = URI
    hosts: Sequence[str] = ("localhost", "127.0.0.1")
    begins: timedelta = timedelta(hours=-1)
    ends: timedelta = timedelta(days=30)
    signs: bool = True
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,)
    bits: int = 2048
    name: str = "Test server"


def made(folder: Path, wish: Wish = Wish(), by: Authority | None = None) -> tuple[Path, Path]:
    """A certificate, self-signed or by an authority, and its key as files."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(65537, wish.bits)
    certificate, private = folder / "server.der", folder / "server.pem"
    certificate.write_bytes(_signed(wish, key, by).public_bytes(serialization.Encoding.DER))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


class Authority:
    """Signs certificates and says which it has revoked."""

    def __init__(self, name: str = "Plant CA", above: Authority | None = None, length: int | None = None) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer, issuer = (above.key, above.name) if above else (self.key, self.name)
        now = datetime.now(UTC)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(True, length), True)
            .add_extension(usage, True)
            .sign(signer, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def crl(self, *revoked: bytes, ends: timedelta = timedelta(days=1)) -> bytes:
        """Its revocation list with these certificates."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - timedelta(days=2)).next_update(now + ends)
        for der in revoked:
            serial = x509.load_der_x509_certificate(der).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _signed(wish: Wish, key: rsa.RSAPrivateKey, by: Authority | None = None) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.name)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(wish.signs, True, True, True, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.name if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + wish.begins)
        .not_valid_after(now + wish.ends)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(wish.uri), *_names(wish)]), False)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage(wish.purposes), False)
        .sign(by.key if by else key, hashes.SHA256())
    )


def _names(wish: Wish) -> list[x509.GeneralName]:
    return [_name(host) for host in wish.hosts]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


async def identify(server: Server, certificate: Path, key: Path, uri: str = URI) -> None:
    """Give a server its name and certificate."""
    await server.set_application_uri(uri)
    await server.load_certificate(certificate)
    await server.load_private_key(key)
