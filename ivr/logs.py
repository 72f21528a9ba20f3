"""Logs: one line per event on standard error, for humans or as JSON, the call's id on each.

The level may be changed while the server runs. What a caller keyed is never logged.
"""

import logging
import sys
from typing import Literal

import structlog

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")

_NUMBERS = logging.getLevelNamesMapping()


class _Threshold:
    """Drops what is below a level, whatever was bound or cached before it was set."""

    level: Level = "info"

    def __call__(
        self,
        _logger: structlog.typing.WrappedLogger,
        method: str,
        event: structlog.typing.EventDict,
    ) -> structlog.typing.EventDict:
        if _NUMBERS[method.upper()] < _NUMBERS[self.level.upper()]:
            raise structlog.DropEvent
        return event


_threshold = _Threshold()


def set_up_logs(level: Level, form: Literal["human", "json"]) -> None:
    """Send every log of this process to standard error, from `level` up, in `form`."""
    set_level(level)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    structlog.configure(
        processors=[
            _threshold,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def set_level(level: Level) -> None:
    """Log from `level` up, from now on."""
    _threshold.level = level


def level() -> Level:
    """The level in force."""
    return _threshold.level


def _escape(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Peers' text as it can be shown: no control character reaches a terminal or splits a line."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            kept = "\n" if key in ("exception", "stack") else ""
            event[key] = "".join(
                each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in value
            )
    return event
