"""A server's certificate: what stands in it, and what speaks against it (OPC 10000-4, 6.1.3)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.contract import GatewayError

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T", bound=x509.ExtensionType)

KEY_BITS = 2_048
"""The shortest RSA key that the policies in use allow (OPC 10000-7)."""


class Flaw(StrEnum):
    """What can speak against a certificate. All but FATAL may be put up with; then the approval names it."""

    TIME = "time"
    HOST = "host"
    URI = "uri"
    USE = "use"
    REVOCATION = "revocation"  # nobody knows whether its authority has revoked it
    REVOKED = "revoked"
    KEY = "key"


FATAL = frozenset({Flaw.KEY, Flaw.REVOKED})
"""What cannot be put up with."""


class NoCertificate(GatewayError):  # noqa: N818 - a finding, named as users know it
    """These bytes are no certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The facts of an X.509 certificate."""

    der: bytes
    subject: str
    issuer: str
    hosts: tuple[str, ...]  # names and addresses
    uris: tuple[str, ...]
    begins: datetime
    ends: datetime
    key_bits: int  # of RSA; 0: another kind of key
    is_for_servers: bool
    is_authority: bool  # it may sign others
    path_length: int | None  # authorities that may stand between it and a certificate; None: any number

    @classmethod
    def read(cls, content: bytes) -> Certificate:
        """Of DER or PEM. Raises NoCertificate."""
        try:
            is_pem = content.lstrip().startswith(b"-----BEGIN")
            found = x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)
            return _facts(found)
        except (ValueError, TypeError) as error:
            raise NoCertificate(f"no X.509 certificate: {error}") from error

    def read_again(self) -> x509.Certificate:
        """As the library has it."""
        return x509.load_der_x509_certificate(self.der)

    def may_sign(self, between: int) -> bool:
        """Whether it may stand above a certificate with so many authorities between."""
        return self.is_authority and (self.path_length is None or between <= self.path_length)

    @property
    def thumbprint(self) -> str:
        """The SHA-1 by which OPC UA names a certificate, in capital hexadecimal digits."""
        return sha1(self.der, usedforsecurity=False).hexdigest().upper()

    @property
    def sha256(self) -> str:
        """A hash that nobody can forge, for comparing by eye."""
        return sha256(self.der).hexdigest().upper()

    def flaws(self, url: str, application_uri: str, now: datetime) -> dict[Flaw, str]:
        """What speaks against it as the certificate of this server, in words."""
        host = urlsplit(url).hostname or ""
        found = {
            Flaw.TIME: self._time(now),
            Flaw.HOST: "" if _is_among(host, self.hosts) else f"it is for {_listed(self.hosts)}, not for {host}",
            Flaw.URI: "" if application_uri in self.uris else f"it is not for the application {application_uri!r}",
            Flaw.USE: "" if self.is_for_servers else "its key usage does not allow a server's work",
            Flaw.KEY: "" if self.key_bits >= KEY_BITS else f"its key is no RSA key of {KEY_BITS} bits or more",
        }
        return {flaw: why for flaw, why in found.items() if why}

    def _time(self, now: datetime) -> str:
        if now < self.begins:
            return f"it is valid from {self.begins:%Y-%m-%d %H:%M} UTC on: is a clock wrong?"
        return f"it was valid until {self.ends:%Y-%m-%d %H:%M} UTC" if now > self.ends else ""


def _facts(found: x509.Certificate) -> Certificate:
    names = _extension(found, x509.SubjectAlternativeName)
    hosts = () if names is None else names.get_values_for_type(x509.DNSName)
    addresses = () if names is None else names.get_values_for_type(x509.IPAddress)
    uris = () if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    key = found.public_key()
    return Certificate(
        der=found.public_bytes(Encoding.DER),
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        hosts=(*hosts, *map(str, addresses)),
        uris=tuple(uris),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
        key_bits=key.key_size if isinstance(key, rsa.RSAPublicKey) else 0,
        is_for_servers=_is_for_servers(found),
        **_authority(found),
    )


def _authority(found: x509.Certificate) -> dict[str, Any]:
    """Whether it may sign other certificates, and how many may stand between."""
    basic, usage = _extension(found, x509.BasicConstraints), _extension(found, x509.KeyUsage)
    is_authority = basic is not None and basic.ca and (usage is None or usage.key_cert_sign)
    return {"is_authority": is_authority, "path_length": basic.path_length if basic is not None else None}


def _is_for_servers(found: x509.Certificate) -> bool:
    """Whether its extensions allow to sign, to take keys and to be a server; one that is missing allows all."""
    usage = _extension(found, x509.KeyUsage)
    signs = usage is None or (usage.digital_signature and usage.key_encipherment and usage.data_encipherment)
    purposes = _extension(found, x509.ExtendedKeyUsage)
    return signs and (purposes is None or ExtendedKeyUsageOID.SERVER_AUTH in purposes)


def _extension(found: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_among(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a host is named; addresses are compared as such, whichever way they are written."""
    return _normal(host) in map(_normal, hosts)


def _normal(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names) or "nobody"
