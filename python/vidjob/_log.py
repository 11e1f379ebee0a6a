"""Events as records of the standard logging: quiet unless somebody has asked for them."""

from __future__ import annotations

import sys

from vidjob._native import is_terminal_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger
    from typing import Any

    from vidjob._native import VideoJob

__all__ = ["hook", "report_absurd_cost", "set_up"]

#: Who tells of which events.
_NAMES = {"request": "http", "retry": "http", "accepted": "jobs", "status": "jobs", "download": "download"}
_INFO, _DEBUG = 20, 10
#: More than any job costs: a million US dollars, in ticks.
_ABSURD_TICKS = 10**16

_loggers: dict[str, Logger] = {}
#: The same ones, each once: they are asked at every call.
_distinct: list[Logger] = []

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def hook() -> Any:  # noqa: ANN401 - a hook, or None
    """What tells the loggers of events, or ``None`` when none of them listens."""
    # Whoever has not imported logging has set no level.
    if "logging" not in sys.modules:
        return None
    if not _loggers:
        from logging import getLogger

        _loggers.update({kind: getLogger(f"vidjob.{name}") for kind, name in _NAMES.items()})
        _distinct.extend(dict.fromkeys(_loggers.values()))
    for logger in _distinct:
        if logger.isEnabledFor(_INFO):
            return _tell
    return None


def _tell(event: Mapping[str, Any], job: VideoJob | None) -> None:
    logger, level = _loggers[event["event"]], _level(event)
    if logger.isEnabledFor(level):
        item = f"[{event['id']}] " if "id" in event else ""
        logger.log(level, "%s%s", item, _words(event, job), extra={"event": dict(event)})


def _level(event: Mapping[str, Any]) -> int:
    kind = event["event"]
    is_news = (
        kind in {"retry", "accepted"}
        or (kind == "status" and is_terminal_status(event["status"]))
        or (kind == "download" and event["received"] == event["total"])
    )
    return _INFO if is_news else _DEBUG


def _words(event: Mapping[str, Any], job: VideoJob | None) -> str:
    kind = event["event"]
    if kind == "request":
        answer = "no answer" if event["status_code"] is None else event["status_code"]
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


def report_absurd_cost(job: VideoJob | None) -> None:
    """Logs a warning when a job's reported cost cannot be right. It counts against budgets all the same."""
    if job is None or job.usage is None or job.usage.cost_in_usd_ticks <= _ABSURD_TICKS:
        return
    import logging

    words = "job %s: the reported cost of %s USD is absurd and counts in full against max_cost_usd; check your account"
    logging.getLogger("vidjob.jobs").warning(words, job.request_id, job.usage.cost_usd)


def set_up(level: str) -> None:
    """Shows records from ``level`` on at standard error, unless the program has its own ideas of logging.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    import logging

    logger = logging.getLogger("vidjob")
    known = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
    if level.lower() not in known:
        logger.warning("VIDJOB_LOG is %r, and can be %s", level, ", ".join(known))
        return
    logger.setLevel(known[level.lower()])
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
