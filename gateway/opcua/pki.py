"""Our application certificate: made on first use, kept with its key in the state directory, renewed when it must be."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_NAME = "Conche gateway"
PRODUCT_URI = "urn:conche:gateway"
LIFETIME = timedelta(days=5 * 365)
KEY_BITS = 2048

_MAKING = Lock()  # several sources that start together have one certificate

_log = structlog.get_logger(__name__)


def application_uri() -> str:
    """The name by which servers know this installation; it stands in the certificate too."""
    return f"urn:{socket.gethostname()}:conche:gateway"


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """Paths of certificate (DER) and private key (PEM, mode 0600). Makes them when they are missing or do not fit.

    A new certificate must be trusted again at the server, so one is made only when the old one cannot be used.
    """
    with _MAKING:
        return _kept_or_made(folder / "own.der", folder / "own.key.pem")


def _kept_or_made(certificate: Path, key: Path) -> tuple[Path, Path]:
    if certificate.exists() and key.exists():
        why = _unusable(x509.load_der_x509_certificate(certificate.read_bytes()))
        if not why:
            return certificate, key
        _log.warning("client certificate is made anew: trust it at the server", reason=why, file=str(certificate))
    _make(certificate, key)
    return certificate, key


def _unusable(certificate: x509.Certificate) -> str:
    """Why a certificate cannot be used; "" if it can."""
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        return f"it was valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if application_uri() not in names.get_values_for_type(x509.UniformResourceIdentifier):
        return "it is for another host"
    return ""


def _make(certificate: Path, key: Path) -> None:
    certificate.parent.mkdir(parents=True, exist_ok=True)
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(_signed(private).public_bytes(serialization.Encoding.DER))


def _signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """A self-signed application instance certificate as OPC 10000-6, 6.2.2 asks for."""
    now = datetime.now(UTC)
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{APPLICATION_NAME}@{host}"[:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )
    for extension, critical in _extensions(key, host):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _extensions(key: rsa.RSAPrivateKey, host: str) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    public = key.public_key()
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
    names = [x509.UniformResourceIdentifier(application_uri()), x509.DNSName(host)]
    return (
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    )
