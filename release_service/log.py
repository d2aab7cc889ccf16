"""Logging: facts with constant names, one line each; JSON in production.

No token, header or address of mail is ever given to a logger; a filter for what looks like one
is the second line of defence, not the first.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"eyJ[A-Za-z0-9_.-]+|gl(?:cbt|pat)-[A-Za-z0-9_.-]+|(?i:X-Amz-Signature=)[0-9a-f]+|(?i:bearer )\S+")


def configure(log_format: str) -> None:
    """Send structlog's and the standard library's records to standard error, as text or JSON lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for chatty in ("botocore", "boto3", "httpx2", "httpcore2", "alembic", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out what looks like a secret, in every text of *event*."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _SECRET.sub("[redacted]", value)
    return event
