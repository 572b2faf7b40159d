"""`conche browse`: what an OPC UA server offers, as the gateway would see it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from conche import logs
from conche.failure import MISUSED, Failure
from conche.phrases import plain
from conche.places import Pki, plant_url

if TYPE_CHECKING:  # the room is slow to import
    from gateway.opcua.probe import Offer
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag

_COLUMNS = ("PATH", "NODE", "TYPE", "UNIT", "ACCESS")
_TERMS = ("SENT", "SAMPLED", "QUEUE", "REFUSED")
_TYPES = {  # whose names have more than one capital letter (OPC 10000-6, 5.1.2)
    name.upper(): name
    for name in (
        *("SByte", "UInt16", "UInt32", "UInt64", "DateTime", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId"),
        *("StatusCode", "QualifiedName", "LocalizedText", "ExtensionObject", "DataValue", "DiagnosticInfo"),
    )
}
_PASSWORD = "CONCHE_OPCUA_PASSWORD"  # noqa: S105 - the name of a variable


def browse(  # noqa: PLR0913 - the arguments of a command
    url: Annotated[str, typer.Argument(show_default="the demo's", help="The server: opc.tcp://host:port.")] = "",
    include: Annotated[
        list[str] | None, typer.Argument(help="Patterns on browse paths below Objects: `Machines/**`, `**/Energy/*`.")
    ] = None,
    *,
    exclude: Annotated[list[str] | None, typer.Option(help="Patterns on browse paths to leave out.")] = None,
    user: Annotated[str, typer.Option(help=f"User name; the password is taken from {_PASSWORD}.")] = "",
    policy: Annotated[
        str,
        typer.Option(show_default="best; None for the demo's", help="Security policy: best, None, Basic256Sha256, …"),
    ] = "",
    mode: Annotated[str, typer.Option(help="Security mode: SignAndEncrypt or Sign.")] = "SignAndEncrypt",
    monitor: Annotated[bool, typer.Option("--monitor", help="Also ask how often the server would send them.")] = False,
    pki: Pki,
) -> None:
    """List the variables that an OPC UA server offers: browse path, NodeId, type, unit, access.

    Patterns are those of a gateway's settings, so this shows what `include` and `exclude` will take; with --monitor
    also what becomes of its default publishing and sampling interval (in ms) and queue size.
    """
    from gateway.contract import GatewayError  # noqa: PLC0415

    logs.configure(logs.Level.ERROR)
    password = os.environ.get(_PASSWORD, "") if user else ""
    policy = policy or ("best" if url else "None")  # of the demo, as in its gateway's file
    security = {"policy": policy, "mode": mode, "user": user, "password": password}
    settings = _settings(
        {"url": url or plant_url(), "security": security, "include": include or ["**"], "exclude": exclude or []}
    )
    try:
        rows = asyncio.run(_discover(settings, pki, monitor=monitor))
    except GatewayError as error:
        raise Failure(str(error)) from error
    for line in aligned([_COLUMNS + _TERMS if monitor else _COLUMNS, *rows]):
        typer.echo(line)
    typer.echo(f"{len(rows)} variables", err=True)


def _settings(given: dict[str, Any]) -> SourceSettings:
    from gateway.opcua.settings import SourceSettings  # noqa: PLC0415

    try:
        return SourceSettings.model_validate({"name": "browse"} | given)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc']))}: {plain(one['msg'])}" for one in error.errors())
        raise Failure("; ".join(problems), MISUSED) from error


async def _discover(settings: SourceSettings, pki: Path, *, monitor: bool) -> list[tuple[str, ...]]:
    from gateway.opcua.browse import find_variables  # noqa: PLC0415
    from gateway.opcua.describe import describe  # noqa: PLC0415
    from gateway.opcua.patterns import Selection  # noqa: PLC0415
    from gateway.opcua.probe import probe  # noqa: PLC0415
    from gateway.opcua.session import Session  # noqa: PLC0415

    session = await Session.connect(settings, pki)
    try:
        found = await find_variables(session, Selection.of(settings.roots, settings.include, settings.exclude))
        described = await describe(session, found, settings.name)
        tags = sorted(described.tags, key=lambda tag: tag.path)
        if not monitor:
            return [row(tag) for tag in tags]
        offers = await probe(session, settings, tags)
        return [row(tag) + terms(offer) for tag, offer in zip(tags, offers, strict=True)]
    finally:
        await session.close()


def row(tag: Tag) -> tuple[str, ...]:
    """A tag as the columns of the list."""
    access = "".join(("r", "w" if tag.writable else "", "h" if tag.historised else ""))
    kind = "Enumeration" if tag.enum else _TYPES.get(tag.data_type.name, tag.data_type.name.capitalize())
    return ("/".join(tag.path), tag.node, kind, tag.unit, access)


def terms(offer: Offer) -> tuple[str, ...]:
    """On which terms a server would monitor a tag, as the columns of the list; only the reason where it would not."""
    if not offer.queue_size:
        return ("", "", "", offer.refused)
    return (f"{offer.publishing_ms:g}", f"{offer.sampling_ms:g}", f"{offer.queue_size}", offer.refused)


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
