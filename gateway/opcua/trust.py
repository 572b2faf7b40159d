"""The trust folder: which servers' certificates a person has approved, and which were refused and wait for that.

Below the folder of our own certificate, `trusted/` and `rejected/` hold one file a certificate, named by its
thumbprint, and beside it a note: where it was seen, and what the approval puts up with. Certificates (.der, .pem,
.crt) that a person copies into `trusted/` count as well. Who trusts an authority trusts what it signed; the folders
trusted/certs, trusted/crl, issuers/certs and issuers/crl are those of OPC 10000-12, 7.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from gateway.contract import GatewayError
from gateway.opcua.certificate import FATAL, Certificate, Flaw, NoCertificate
from gateway.opcua.chain import RevocationLists, issuers_of, read_list
from gateway.opcua.errors import Untrusted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from cryptography import x509

_SUFFIXES = frozenset({".der", ".pem", ".crt", ".cer"})
_MOST_REJECTED = 100  # a peer that shows a new certificate each time must not fill the disk
_ENOUGH = 8  # digits of a thumbprint that tell certificates apart in a command

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate in the folder."""

    certificate: Certificate
    file: Path
    url: str = ""  # where it was seen
    application_uri: str = ""  # what the server called itself there
    despite: frozenset[Flaw] = frozenset()  # what the approval puts up with
    said: dict[Flaw, str] = field(default_factory=dict)  # what its authorities say against it

    def flaws(self, now: datetime) -> dict[Flaw, str]:
        """What speaks against it where it was seen, and is not put up with; nothing of where it was not seen."""
        found = self.certificate.flaws(self.url, self.application_uri, now) | self.said
        unknown = set() if self.url else {Flaw.HOST, Flaw.URI}
        unknown |= {Flaw.USE} if self.certificate.is_authority and not self.url else set()
        return {flaw: why for flaw, why in found.items() if flaw not in self.despite | unknown}


class TrustFolder:
    """Reads and changes the folder; every method blocks on the disk. OSError where that fails."""

    def __init__(self, pki: Path) -> None:
        self._pki = pki
        self._trusted = pki / "trusted"
        self._rejected = pki / "rejected"
        self._copied = self._trusted / "certs"
        self._issuers = pki / "issuers" / "certs"
        self._lists = (self._trusted / "crl", pki / "issuers" / "crl")

    def entries(self) -> list[Entry]:
        """All certificates, trusted ones first."""
        return [*self._approved(), *_entries(self._rejected)]

    def _approved(self) -> Iterator[Entry]:
        yield from _entries(self._trusted)
        yield from _entries(self._copied)

    def is_trusted(self, entry: Entry) -> bool:
        """Whether it is approved."""
        return entry.file.parent in {self._trusted, self._copied}

    def stamp(self) -> tuple[int, ...]:
        """Another value after every approval, and with every other certificate or revocation list in the folders."""
        return tuple(_changed(folder) for folder in (self._trusted, self._copied, self._issuers, *self._lists))

    def check(
        self,
        shown: Certificate,
        url: str,
        application_uri: str,
        sent: Sequence[Certificate] = (),
        pinned: Certificate | None = None,
    ) -> None:
        """Return if a person approved this certificate or an authority above it, and nothing speaks against it.

        Else Untrusted says why. `sent` are the authorities' that came with it. `pinned` is the only one that is
        accepted, and needs no other approval.
        """
        if pinned is not None and pinned.der != shown.der:
            raise Untrusted(
                f"{url} shows another certificate than security.server_certificate, SHA-1 {shown.thumbprint}: "
                "if the server's was renewed, put the new one there"
            )
        trusted, now = list(self._approved()), datetime.now(UTC)
        chain = issuers_of(shown, [*sent, *(one.certificate for one in (*trusted, *_entries(self._issuers)))])
        known = _first_of((shown, *chain), trusted)
        said = self._said(shown, chain, known, now)
        seen = Entry(shown, self._rejected, url, application_uri, known.despite if known else frozenset(), said)
        flaws = seen.flaws(now)
        if flaws or (known is None and pinned is None):
            approve = f"conche trust approve {shown.thumbprint[:_ENOUGH]} --pki {self._pki}"
            if known is None or known.certificate.der != shown.der:
                self._reject(seen)
            if known is not None or pinned is not None:
                raise Untrusted(_refused(seen, flaws, approve))
            for issuer in chain:
                self._reject(Entry(issuer, self._rejected))
            raise Untrusted(_unknown(seen, trusted, approve) + _or_authority(chain))

    def _said(
        self, shown: Certificate, chain: Sequence[Certificate], known: Entry | None, now: datetime
    ) -> dict[Flaw, str]:
        """What the authorities say, up to the one that is trusted. Who is trusted itself can only be revoked."""
        lists = RevocationLists(_lists_in(self._lists))
        if known is not None and known.certificate in chain:
            return lists.flaws(shown, chain[: chain.index(known.certificate) + 1], now)
        return {flaw: why for flaw, why in lists.flaws(shown, chain[:1], now).items() if flaw is Flaw.REVOKED}

    def _reject(self, seen: Entry) -> None:
        """Keep it for a person to look at."""
        _save(self._rejected, seen)
        files = sorted(self._rejected.glob("*.der"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_MOST_REJECTED]:
            _delete(file, file.stem)

    def find(self, digits: str) -> Entry:
        """The certificate whose thumbprint begins so. GatewayError when it is none or not the only one."""
        wanted = digits.upper().replace(":", "").replace(" ", "")
        found = {one.certificate.thumbprint: one for one in reversed(self.entries())}
        fit = [one for thumbprint, one in found.items() if wanted and thumbprint.startswith(wanted)]
        if len(fit) != 1:
            what = "no certificate" if not fit else f"{len(fit)} certificates"
            raise GatewayError(f"{what} in {self._pki} with the thumbprint {digits}…: see conche trust list")
        return fit[0]

    def new(self, certificate: Certificate) -> Entry:
        """An entry for a certificate that came another way than from a server, ready to be approved."""
        return Entry(certificate, self._trusted / f"{certificate.thumbprint}.der")

    def approve(self, entry: Entry, despite: Collection[Flaw]) -> None:
        """Trust it from now on. GatewayError when something speaks against it that `despite` does not name."""
        approved = replace(entry, despite=entry.despite | (frozenset(despite) - FATAL))
        flaws = approved.flaws(datetime.now(UTC))
        if flaws:
            raise GatewayError(_advice(flaws))
        _move(approved, self._trusted)

    def reject(self, entry: Entry) -> None:
        """Trust it no longer; it stays to be looked at. Counts from the next connection on."""
        _move(replace(entry, despite=frozenset()), self._rejected)

    def remove(self, entry: Entry) -> None:
        """Forget it."""
        _delete(entry.file, entry.certificate.thumbprint)


def _unknown(seen: Entry, trusted: Collection[Entry], approve: str) -> str:
    before = next((one for one in trusted if one.url == seen.url), None)
    instead = f", not the approved {before.certificate.thumbprint[:_ENOUGH]}" if before else ""
    who = f"{seen.certificate.subject}, SHA-1 {seen.certificate.thumbprint}"
    advice = f"If the server itself shows the same thumbprint: {approve}"
    return f"{seen.url} shows a certificate that nobody approved{instead}: {who}. {advice}"


def _or_authority(chain: Sequence[Certificate]) -> str:
    top = chain[-1] if chain else None
    return f", or approve {top.thumbprint[:_ENOUGH]}, its authority {top.subject}" if top else ""


def _refused(seen: Entry, flaws: dict[Flaw, str], approve: str) -> str:
    accept = "" if FATAL & flaws.keys() else f", or put up with it: {approve}{_despite(flaws)}"
    return f"{seen.url} is refused for its certificate: {'; '.join(flaws.values())}. Renew it at the server{accept}"


def _advice(flaws: dict[Flaw, str]) -> str:
    why = "; ".join(flaws.values())
    if FATAL & flaws.keys():
        return f"it cannot be used: {why}"
    return f"{why}: renew it at the server, or approve it with{_despite(flaws)}"


def _despite(flaws: Collection[Flaw]) -> str:
    return "".join(f" --despite {flaw}" for flaw in flaws)


def _first_of(certificates: Sequence[Certificate], trusted: Sequence[Entry]) -> Entry | None:
    """The trusted entry of the first of the certificates that has one."""
    by_der = {one.certificate.der: one for one in reversed(trusted)}
    return next((by_der[one.der] for one in certificates if one.der in by_der), None)


def _lists_in(folders: Sequence[Path]) -> Iterator[x509.CertificateRevocationList]:
    """The revocation lists in these folders. Without one that cannot be read, an authority says too little."""
    for file in (file for folder in folders for file in sorted(folder.glob("*.crl"))):
        try:
            yield read_list(file.read_bytes())
        except ValueError as error:
            _log.warning("file is not taken for a revocation list", file=str(file), reason=str(error))


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0  # there is no such folder


def _entries(folder: Path) -> Iterator[Entry]:
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in _SUFFIXES:
            try:
                certificate = Certificate.read(file.read_bytes())
            except NoCertificate as error:
                _log.warning("file is not taken for a certificate", file=str(file), reason=str(error))
                continue
            yield Entry(certificate, file, **_note(folder / f"{certificate.thumbprint}.json"))


def _note(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        plain = orjson.loads(file.read_bytes())
        despite = frozenset(Flaw(one) for one in plain["despite"])
        return {"url": str(plain["url"]), "application_uri": str(plain["application_uri"]), "despite": despite}
    except (ValueError, TypeError, KeyError) as error:
        _log.warning("note on a certificate cannot be read", file=str(file), reason=str(error))
        return {}


def _save(folder: Path, entry: Entry) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    note = {"url": entry.url, "application_uri": entry.application_uri, "despite": sorted(entry.despite)}
    stem = entry.certificate.thumbprint
    _replace(folder / f"{stem}.json", orjson.dumps(note))
    _replace(folder / f"{stem}.der", entry.certificate.der)


def _replace(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(f"{file.suffix}.new")
    fresh.write_bytes(content)
    fresh.replace(file)


def _move(entry: Entry, folder: Path) -> None:
    """Have an entry in this folder only, under the name that we give."""
    _save(folder, entry)
    if entry.file.parent != folder:
        _delete(entry.file, entry.certificate.thumbprint)
    elif entry.file.name != f"{entry.certificate.thumbprint}.der":
        entry.file.unlink()


def _delete(file: Path, thumbprint: str) -> None:
    """A certificate's file with its note."""
    (file.parent / f"{thumbprint}.json").unlink(missing_ok=True)
    file.unlink(missing_ok=True)
