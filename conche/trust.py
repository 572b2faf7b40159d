"""`conche trust`: which servers' certificates the gateway believes. A running gateway notices within a second."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conche import logs
from conche.browse import aligned
from conche.failure import FAILED, Failure
from conche.places import Pki

if TYPE_CHECKING:  # the room is slow to import
    from gateway.opcua.trust import Entry, TrustFolder

_SHOWN = 8  # digits of a thumbprint: enough for a command
_COLUMNS = ("STATE", "SHA-1", "VALID UNTIL", "SEEN AT", "SUBJECT")


class Despite(StrEnum):
    """What an approval can put up with."""

    TIME = "time"
    HOST = "host"
    URI = "uri"
    USE = "use"
    REVOCATION = "revocation"


Thumbprint = Annotated[str, typer.Argument(help="First digits of the SHA-1 thumbprint, as `conche trust list` has it.")]
Wrong = Annotated[
    list[Despite] | None,
    typer.Option(
        "--despite",
        help="Approve although this is wrong: time, host, uri (of the application), use (of key), "
        "revocation (there is no list).",
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    help="Approve certificates of OPC UA servers or of authorities, look at them, reject them.",
)


@app.callback()
def trust() -> None:
    """Certificates that were shown and not believed wait in the folder `rejected`; approved ones are in `trusted`."""


@app.command("list")
def list_(pki: Pki) -> None:
    """List all certificates, approved ones first."""
    folder = _open(pki)
    rows = [_row(folder, entry) for entry in folder.entries()]
    for line in aligned([_COLUMNS, *rows]):
        typer.echo(line)
    typer.echo(f"{len(rows)} certificates in {pki}", err=True)


def _row(folder: TrustFolder, entry: Entry) -> tuple[str, ...]:
    certificate = entry.certificate
    state = "trusted" if folder.is_trusted(entry) else "rejected"
    thumbprint, until = certificate.thumbprint[:_SHOWN], f"{certificate.ends:%Y-%m-%d}"
    return (state, thumbprint, until, entry.url or "-", certificate.subject)


@app.command()
def show(thumbprint: Thumbprint, pki: Pki) -> None:
    """Show what stands in a certificate, and what speaks against it."""
    folder = _open(pki)
    entry = _found(folder, thumbprint)
    certificate = entry.certificate
    flaws = entry.flaws(datetime.now(UTC))
    rows = [
        ("state", "trusted" if folder.is_trusted(entry) else "rejected"),
        ("subject", certificate.subject),
        ("issuer", "itself" if certificate.issuer == certificate.subject else certificate.issuer),
        ("hosts", ", ".join(certificate.hosts) or "none"),
        ("application", ", ".join(certificate.uris) or "none"),
        ("valid", f"{certificate.begins:%Y-%m-%d %H:%M} to {certificate.ends:%Y-%m-%d %H:%M} UTC"),
        ("key", f"RSA, {certificate.key_bits} bits" if certificate.key_bits else "not RSA"),
        ("SHA-1", certificate.thumbprint),
        ("SHA-256", certificate.sha256),
        ("seen at", f"{entry.url} ({entry.application_uri})" if entry.url else "nowhere yet"),
        ("put up with", ", ".join(sorted(entry.despite)) or "nothing"),
        *(("wrong", why) for why in flaws.values()),
    ]
    for line in aligned(rows):
        typer.echo(line)


@app.command()
def approve(thumbprint: Thumbprint, pki: Pki, despite: Wrong = None) -> None:
    """Trust a certificate that was shown. Compare its thumbprint with the one at the server first."""
    folder = _open(pki)
    _approve(folder, _found(folder, thumbprint), despite)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The certificate: PEM or DER.")], pki: Pki, despite: Wrong = None
) -> None:
    """Trust a certificate that you got another way, before the first connection."""
    from gateway.contract import GatewayError  # noqa: PLC0415 - each command imports what it needs
    from gateway.opcua.certificate import Certificate  # noqa: PLC0415

    folder = _open(pki)
    try:
        entry = folder.new(Certificate.read(file.read_bytes()))
    except (OSError, GatewayError) as error:
        raise Failure(f"{file}: {error}", FAILED) from error
    _approve(folder, entry, despite)


@app.command()
def reject(thumbprint: Thumbprint, pki: Pki) -> None:
    """Trust a certificate no longer. A connection that stands is not cut; the next one is refused."""
    folder = _open(pki)
    entry = _found(folder, thumbprint)
    folder.reject(entry)
    typer.echo(f"rejected: {entry.certificate.subject}, SHA-1 {entry.certificate.thumbprint}")


@app.command()
def remove(thumbprint: Thumbprint, pki: Pki) -> None:
    """Forget a certificate; if its server shows it again, it is listed as rejected."""
    folder = _open(pki)
    entry = _found(folder, thumbprint)
    folder.remove(entry)
    typer.echo(f"removed: {entry.certificate.subject}, SHA-1 {entry.certificate.thumbprint}")


def _open(pki: Path) -> TrustFolder:
    from gateway.opcua.trust import TrustFolder  # noqa: PLC0415

    logs.configure(logs.Level.WARNING)
    return TrustFolder(pki)


def _found(folder: TrustFolder, thumbprint: str) -> Entry:
    from gateway.contract import GatewayError  # noqa: PLC0415

    try:
        return folder.find(thumbprint)
    except GatewayError as error:
        raise Failure(str(error), FAILED) from error


def _approve(folder: TrustFolder, entry: Entry, despite: list[Despite] | None) -> None:
    from gateway.contract import GatewayError  # noqa: PLC0415
    from gateway.opcua.certificate import Flaw  # noqa: PLC0415

    try:
        folder.approve(entry, [Flaw(one) for one in despite or ()])
    except GatewayError as error:
        raise Failure(f"not approved: {error}", FAILED) from error
    typer.echo(f"approved: {entry.certificate.subject}, SHA-1 {entry.certificate.thumbprint}")
