"""Logging: JSON lines into files, coloured lines on a terminal, and never a secret in either."""

from __future__ import annotations

import logging
import re
import sys
from enum import StrEnum
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_KEY = re.compile(
    r"(passw|secret|token|authorization|private_key|api_?key)(?!.*_(in|path|file)$)", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+(?=@)")
_HIDDEN = "***"
# Libraries that tell more at INFO than an operator wants to read.
_TALKATIVE = ("amqtt", "asyncua", "botocore", "transitions", "uvicorn", "urllib3", "watchfiles")


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(level: Level = Level.INFO, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (None: stderr): lines for people on a terminal, else JSON lines."""
    stream = stream or sys.stderr
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_last(for_people=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _last(*, for_people: bool) -> list[Processor]:
    # A traceback becomes text first and without local variables, so that no secret in it gets through.
    plain = structlog.dev.plain_traceback
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=plain) if for_people else structlog.processors.JSONRenderer()
    )
    return [structlog.processors.format_exc_info, hide_secrets, renderer]


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of keys that name a secret, and the password in any URL."""
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: str, value: object) -> object:
    if _SECRET_KEY.search(key) and value:
        return _HIDDEN
    if isinstance(value, dict):
        return {inner: _shown(str(inner), one) for inner, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown("", one) for one in value]
    return _URL_PASSWORD.sub(rf"\1:{_HIDDEN}", value) if isinstance(value, str) else value
