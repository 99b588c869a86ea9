"""How the process logs: structlog for its own words, the same form for libraries; configured once, at start."""

import logging
import sys
import threading
from types import TracebackType
from typing import Literal

import structlog

from taskaction.plugin.secret_ledger import redact_log_line
from taskaction.plugin.settings import CheckedSettings


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formatter that keeps values of Secrets out of the log, also those that a plug-in logs during its call."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without values of Secrets that the current call knows."""
        return redact_log_line(super().format(record))


def configure_logs(form: Literal["json", "console"], level: str) -> None:
    """Send everything that is logged to stderr, one line a message."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    tail = [structlog.processors.format_exc_info, renderer] if form == "json" else [renderer]
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # What is below the level costs one call that does nothing: there are several such lines for each action.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _RedactingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    handler.addFilter(_is_no_retry)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it would log several lines for each object
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)  # that its thread gets no signals is meant
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _is_no_retry(record: logging.LogRecord) -> bool:
    """Whether a line of kopf reports something else than one more attempt: the process reports outages as a whole."""
    return not record.name.startswith("kopf.") or "will retry" not in record.getMessage()


def log_what_python_prints() -> None:
    """Log what Python would print to stderr by itself: warnings, and errors in threads and destructors."""
    log = logging.getLogger("python")

    def on_thread_failed(failure: threading.ExceptHookArgs) -> None:
        error = failure.exc_value or failure.exc_type()
        log.error("error in thread %s", failure.thread and failure.thread.name, exc_info=error)

    def on_unraisable(failure: "sys.UnraisableHookArgs") -> None:
        error = failure.exc_value or failure.exc_type()
        log.error("%s: %r", failure.err_msg or "exception ignored in", failure.object, exc_info=error)

    def on_uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        log.critical("uncaught exception", exc_info=error)

    logging.captureWarnings(capture=True)
    sys.excepthook, sys.unraisablehook, threading.excepthook = on_uncaught, on_unraisable, on_thread_failed


def log_settings(settings: CheckedSettings) -> None:
    """Log what somebody should change in the settings of the process, and for debugging the settings themselves."""
    log = structlog.stdlib.get_logger("taskaction")
    for warning in settings.warnings:
        log.warning(warning)
    log.debug("effective settings", variables=settings.variables)
