"""Everything that could print content: vLLM's log records quote parameters and, after a crash, whole requests.

In each process that runs Python for the gateway, before anything else is imported.
"""

import logging
import sys
import threading
import traceback


class _Sink:
    """Stands in for stdout and stderr: swallows text."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def write(self, text):
        return len(text)

    def writelines(self, lines):
        pass

    def flush(self):
        pass

    def isatty(self):
        return False

    def fileno(self):
        raise OSError("the gateway's Python has no standard streams")


_loading = True


def quieten(relay):
    """Leaves `relay(level, logger, source line, message)` as the only way out; the message only while loading."""

    def hand_over(_logger, record):
        message = _text(record) if _loading else ""
        relay(record.levelno, record.name, f"{record.filename}:{record.lineno}", message)

    def uncaught(kind, trace):
        lines = [f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(trace)]
        relay(logging.ERROR, f"uncaught {kind.__name__}", lines[-1] if lines else "an unknown line", "")

    # The one place that each record of each logger passes. Handlers, also those that libraries add later, see nothing.
    logging.Logger.callHandlers = hand_over
    logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = _Sink()
    sys.excepthook = lambda kind, _, trace: uncaught(kind, trace)
    sys.unraisablehook = lambda event: uncaught(event.exc_type, event.exc_traceback)
    threading.excepthook = lambda event: uncaught(event.exc_type, event.exc_traceback)


def _text(record):
    """The message, and the exception that it is about: while a model is loaded, it is the reason why it is not."""
    error = record.exc_info[1] if record.exc_info else None
    try:
        message = record.getMessage()
        return message if error is None else f"{message.rstrip('.')}: {type(error).__name__}: {error}"
    except Exception as error:
        return f"(a log message that does not format: {type(error).__name__})"


def seal():
    """From here on requests come: log messages stay inside."""
    global _loading
    _loading = False
