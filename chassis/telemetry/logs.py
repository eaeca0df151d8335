"""Logs: readable on a terminal, one JSON object a line anywhere else."""

import logging
import sys

import structlog

from chassis.visible import visible

_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(service: str) -> None:
    """Send everything that is logged, by whatever library, to standard error in one form."""
    structlog.contextvars.bind_contextvars(service=service)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=_rendering()))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)  # the sessions say the same, once


def _escaped(_: object, __: str, facts: structlog.types.EventDict) -> structlog.types.EventDict:
    """What a message says is no order to a terminal."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in facts.items()}


def _rendering() -> list[structlog.types.Processor]:
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if sys.stderr.isatty():
        return [remove, _escaped, structlog.dev.ConsoleRenderer()]
    return [remove, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
