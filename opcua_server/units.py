"""Engineering units: UNECE common codes as OPC UA EUInformation (OPC 10000-8, 5.6.3); the euro by ISO 4217."""

from __future__ import annotations

from asyncua import ua

NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"
_EURO = ua.EUInformation(
    NamespaceUri="urn:iso:std:iso:4217",
    UnitId=978,
    DisplayName=ua.LocalizedText("€"),
    Description=ua.LocalizedText("euro"),
)

# UNECE Recommendation 20: common code -> symbol, name
_UNITS = {
    "2N": ("dB", "decibel"),
    "4H": ("µm", "micrometre"),
    "AMP": ("A", "ampere"),
    "BAR": ("bar", "bar"),
    "C16": ("mm/s", "millimetre per second"),
    "C26": ("ms", "millisecond"),
    "C62": ("1", "one"),
    "C65": ("Pa·s", "pascal second"),
    "C94": ("1/min", "reciprocal minute"),
    "CEL": ("°C", "degree Celsius"),
    "CMT": ("cm", "centimetre"),
    "DAY": ("d", "day"),
    "E93": ("kg/h", "kilogram per hour"),
    "GRM": ("g", "gram"),
    "H87": ("pc", "piece"),
    "HTZ": ("Hz", "hertz"),
    "HUR": ("h", "hour"),
    "KEL": ("K", "kelvin"),
    "KGM": ("kg", "kilogram"),
    "KGS": ("kg/s", "kilogram per second"),
    "KWH": ("kW·h", "kilowatt hour"),
    "KWT": ("kW", "kilowatt"),
    "L2": ("l/min", "litre per minute"),
    "LTR": ("l", "litre"),
    "MBR": ("mbar", "millibar"),
    "MIN": ("min", "minute"),
    "MMT": ("mm", "millimetre"),
    "MQH": ("m³/h", "cubic metre per hour"),
    "MTQ": ("m³", "cubic metre"),
    "MTR": ("m", "metre"),
    "MTS": ("m/s", "metre per second"),
    "NU": ("N·m", "newton metre"),
    "P1": ("%", "percent"),
    "PAL": ("Pa", "pascal"),
    "RPM": ("r/min", "revolutions per minute"),
    "SEC": ("s", "second"),
    "TNE": ("t", "tonne (metric ton)"),
    "VLT": ("V", "volt"),
    "WTT": ("W", "watt"),
}


def unit_id(code: str) -> int:
    """UnitId of a common code: its one to three ASCII characters as one big-endian number ("CEL" -> 4408652)."""
    return int.from_bytes(code.encode("ascii"), "big")


def unit(code: str) -> ua.EUInformation:
    """The unit of a common code, or of "EUR", which UNECE leaves to ISO 4217. An unknown code is its own symbol."""
    if code == "EUR":
        return _EURO
    symbol, name = _UNITS.get(code, (code, code))
    return ua.EUInformation(
        NamespaceUri=NAMESPACE,
        UnitId=unit_id(code),
        DisplayName=ua.LocalizedText(symbol),
        Description=ua.LocalizedText(name),
    )
