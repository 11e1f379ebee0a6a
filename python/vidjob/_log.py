"""Writes events to the standard logging, if a logger is enabled."""

from __future__ import annotations

import sys

from vidjob._native import is_terminal_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger
    from typing import Any

    from vidjob._native import VideoJob

__all__ = ["hook", "set_up", "warn_of_implausible_cost"]

#: The logger of each kind of event.
_NAMES = {"request": "http", "retry": "http", "accepted": "jobs", "status": "jobs", "download": "download"}
_INFO, _DEBUG = 20, 10
#: More than any job costs: a million US dollars, in ticks.
_IMPLAUSIBLE_TICKS = 10**16

_loggers: dict[str, Logger] = {}
#: The same loggers without repetition: each call queries them.
_distinct: list[Logger] = []

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def hook() -> Any:  # noqa: ANN401 - a hook, or None
    """Returns a hook that logs events, or ``None`` when no logger is enabled for them."""
    # A program that has not imported logging has not set a level.
    if "logging" not in sys.modules:
        return None
    if not _loggers:
        from logging import getLogger

        _loggers.update({kind: getLogger(f"vidjob.{name}") for kind, name in _NAMES.items()})
        _distinct.extend(dict.fromkeys(_loggers.values()))
    for logger in _distinct:
        if logger.isEnabledFor(_INFO):
            return _log_event
    return None


def _log_event(event: Mapping[str, Any], job: VideoJob | None) -> None:
    logger, level = _loggers[event["event"]], _level(event)
    if logger.isEnabledFor(level):
        item = f"[{event['id']}] " if "id" in event else ""
        logger.log(level, "%s%s", item, _message(event, job), extra={"event": dict(event)})


def _level(event: Mapping[str, Any]) -> int:
    kind = event["event"]
    is_news = (
        kind in {"retry", "accepted"}
        or (kind == "status" and is_terminal_status(event["status"]))
        or (kind == "download" and event["received"] == event["total"])
    )
    return _INFO if is_news else _DEBUG


def _message(event: Mapping[str, Any], job: VideoJob | None) -> str:
    kind = event["event"]
    if kind == "request":
        answer = "no response" if event["status_code"] is None else event["status_code"]
        return f"{event['method']} {event['path']}: {answer} in {event['elapsed']:.3f} s"
    if kind == "retry":
        return f"{event['path']}: retry {event['attempt']} in {event['delay']:.1f} s: {event['reason']}"
    about = f"job {event['request_id']}"
    if kind == "accepted":
        return f"{about} accepted"
    if kind == "download":
        of = "" if event["total"] is None else f" of {event['total']}"
        return f"{about}: {event['received']}{of} bytes"
    progress = "" if event["progress"] is None else f", {event['progress']}%"
    code = "" if job is None or job.error is None else f" ({job.error.code})"
    return f"{about} {event['status']}{code}{progress}"


def warn_of_implausible_cost(job: VideoJob | None) -> None:
    """Logs a warning when a job's reported cost is implausible. Budgets count it nevertheless."""
    if job is None or job.usage is None or job.usage.cost_in_usd_ticks <= _IMPLAUSIBLE_TICKS:
        return
    import logging

    message = "job %s: the reported cost of %s USD is implausible and counts against max_cost_usd; check your account"
    logging.getLogger("vidjob.jobs").warning(message, job.request_id, job.usage.cost_usd)


def set_up(level: str) -> None:
    """Logs from ``level`` up to standard error, unless the program has configured logging.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    import logging

    logger = logging.getLogger("vidjob")
    known = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
    if level.lower() not in known:
        logger.warning("VIDJOB_LOG must be one of %s, not %r", ", ".join(known), level)
        return
    logger.setLevel(known[level.lower()])
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
