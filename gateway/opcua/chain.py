"""Certificates that an authority gave: who signed them, and what the authorities have revoked (OPC 10000-4, 6.1.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.opcua.certificate import KEY_BITS, Certificate, Flaw

if TYPE_CHECKING:
    from datetime import datetime

_LONGEST = 10  # certificates; a chain of authorities is shorter


def issuers_of(shown: Certificate, known: Collection[Certificate]) -> tuple[Certificate, ...]:
    """The authorities above a certificate, from the one that signed it up to the last that is known."""
    found: list[Certificate] = []
    while len(found) < _LONGEST:
        below = found[-1] if found else shown
        above = next((one for one in known if _signed(one, below) and one.may_sign(len(found))), None)
        if above is None or above.der in {shown.der, *(one.der for one in found)}:
            break
        found.append(above)
    return tuple(found)


def _signed(issuer: Certificate, below: Certificate) -> bool:
    if issuer.subject != below.issuer:
        return False
    try:
        below.read_again().verify_directly_issued_by(issuer.read_again())
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class RevocationLists:
    """What authorities have revoked."""

    def __init__(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        self._lists = list(lists)

    def flaws(self, shown: Certificate, issuers: Sequence[Certificate], now: datetime) -> dict[Flaw, str]:
        """What speaks against a certificate because of those above it: their own validity, and what they say of it."""
        found: dict[Flaw, str] = {}
        for below, issuer in zip((shown, *issuers), issuers, strict=False):
            for flaw, why in (_own(issuer, now) | self._word_of(issuer, below, now)).items():
                found.setdefault(flaw, why)
        return found

    def _word_of(self, issuer: Certificate, below: Certificate, now: datetime) -> dict[Flaw, str]:
        lists = list(self._of(issuer))
        if any(_has(one, below) for one in lists):
            return {Flaw.REVOKED: f"{issuer.subject} has revoked {below.subject}"}
        if any(one.next_update_utc is None or now <= one.next_update_utc for one in lists):
            return {}
        where = f"revocation list of {issuer.subject} in trusted/crl or issuers/crl"
        return {Flaw.REVOCATION: f"the {where} is out of date" if lists else f"there is no {where}"}

    def _of(self, issuer: Certificate) -> Iterator[x509.CertificateRevocationList]:
        authority = issuer.read_again()
        for one in self._lists:
            if one.issuer == authority.subject and _is_signed_by(one, authority):
                yield one


def _own(issuer: Certificate, now: datetime) -> dict[Flaw, str]:
    """What speaks against an authority itself."""
    found: dict[Flaw, str] = {}
    if not issuer.begins <= now <= issuer.ends:
        found[Flaw.TIME] = f"its authority {issuer.subject} was valid until {issuer.ends:%Y-%m-%d %H:%M} UTC"
    if issuer.key_bits < KEY_BITS:
        found[Flaw.KEY] = f"the key of its authority {issuer.subject} is no RSA key of {KEY_BITS} bits or more"
    return found


def _is_signed_by(one: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return one.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # other keys: TypeError
    except TypeError:
        return False


def _has(one: x509.CertificateRevocationList, certificate: Certificate) -> bool:
    return one.get_revoked_certificate_by_serial_number(certificate.read_again().serial_number) is not None


def read_list(content: bytes) -> x509.CertificateRevocationList:
    """A revocation list in DER or PEM. ValueError if it is none."""
    is_pem = content.lstrip().startswith(b"-----BEGIN")
    return x509.load_pem_x509_crl(content) if is_pem else x509.load_der_x509_crl(content)
