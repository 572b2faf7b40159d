"""A gateway loads the libraries of what it is told to use, no others."""

from __future__ import annotations

import subprocess
import sys

_COSTLY = ("influxdb_client", "boto3", "nicegui")


def test_without_database_mails_and_page_their_libraries_take_no_memory() -> None:
    script = f"import sys, gateway.gateway; print([name for name in {_COSTLY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
