"""Where commands look when nobody says: at the parts of the demo, as its environment variables place them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def plant_url() -> str:
    """The OPC UA server of the demo's plant."""
    return f"opc.tcp://127.0.0.1:{os.environ.get('CONCHE_OPCUA_PORT') or 4840}"


def pki_folder() -> Path:
    """The certificates of the demo's gateway, and of `conche browse`."""
    return Path(os.environ.get("CONCHE_STATE") or "var") / "gateway" / "pki"


Pki = Annotated[
    Path,
    typer.Option(
        default_factory=pki_folder,
        show_default="var/gateway/pki",
        help="Folder of certificates: pki in the state of a gateway.",
    ),
]
