"""Values as notebooks show them: a line of text, and HTML of plain elements."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from functools import singledispatch
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vidjob._batch.batch import AsyncBatch, Batch
from vidjob._batch.results import Results
from vidjob._native import Download, Video, VideoJob
from vidjob._notebook.options import Options
from vidjob._progress.formatting import format_size, printable
from vidjob._values import JobRecord, RenderResult

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["html", "text"]

_LINK = re.compile(r"\b(https?://[^/\s?#]+)\S*")
_THUMBNAIL = 160
_COUNTS = ("saved", "resumed", "failed", "blocked", "unknown", "pending", "not_submitted", "duplicates")
_SUM = 12


# ---- facts -----------------------------------------------------------------------------------


def _one_line(text: object) -> str:
    """Text from elsewhere on one line, with links cut to their hosts."""
    return _LINK.sub(r"\1/…", printable(str(text)))


def _usd(amount: Decimal) -> str:
    """An amount to the cent, or with all its digits below one dollar."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if amount >= 1 or amount == cents else amount.normalize():f} USD"


def _of_video(video: Video | None) -> list[str]:
    if video is None:
        return []
    if video.respect_moderation is False:
        return ["withheld by moderation"]
    return [] if video.duration is None else [f"{video.duration:g} s"]


def _of_job(job: VideoJob | None) -> list[str]:
    """Facts about a job, without its status."""
    if job is None:
        return []
    error = job.error
    return [
        *_of_video(job.video),
        *([] if job.usage is None else [_usd(job.usage.cost_usd)]),
        *([] if error is None else [_one_line(": ".join(filter(None, (error.code, error.message))))]),
    ]


def _status_text(job: VideoJob) -> str:
    is_moving = job.progress is not None and not job.is_terminal
    return f"{job.status}, {job.progress}%" if is_moving else str(job.status)


def _of_result(result: RenderResult) -> list[str]:
    size = [] if result.bytes is None else [format_size(result.bytes)]
    error = [] if result.error is None else [_one_line(result.error)]
    facts = _of_job(result.job) if result.ok else []
    return [*facts, *size, *error]


def _of_download(file: Download) -> list[str]:
    return [format_size(file.bytes), f"sha256 {file.sha256[:_SUM]}…"]


def _of_record(record: JobRecord) -> list[str]:
    cost = [_usd(record.cost_usd)] if record.cost_usd else []
    error = [] if record.error is None else [_one_line(record.error)]
    return [printable(record.prompt or ""), *cost, *error]


def _of_results(results: Results) -> list[str]:
    outcomes = [result.outcome for result in results]
    counted = [f"{outcomes.count(word)} {word.replace('_', ' ')}" for word in dict.fromkeys(sorted(outcomes))]
    items = len(results) - outcomes.count("duplicate")
    return [f"{items} items", *counted, *([_usd(results.cost_usd)] if results.cost_usd else [])]


def _of_batch(batch: Batch | AsyncBatch) -> list[str]:
    summary = batch.summary
    counted = [f"{summary[word]} {word.replace('_', ' ')}" for word in _COUNTS if summary[word]]
    under_way = [f"{batch.in_flight} under way"] if batch.in_flight else []
    return [f"{summary['items']} items ended", *counted, *under_way, f"{summary['cost_usd']:g} USD"]


# ---- text ------------------------------------------------------------------------------------


def text(value: object) -> str:
    """Returns a value as one short line, without links."""
    name = type(value).__name__
    return f"{name} {_sentence(value)}".strip()


@singledispatch
def _sentence(value: object) -> str:
    raise TypeError(f"a {type(value).__name__} has no notebook representation")


@_sentence.register
def _(job: VideoJob) -> str:
    return ", ".join([f"{printable(job.request_id)} {_status_text(job)}", *_of_job(job)])


@_sentence.register
def _(video: Video) -> str:
    return ", ".join(_of_video(video))


@_sentence.register
def _(file: Download) -> str:
    return ", ".join([_one_line(file.path), *_of_download(file)])


@_sentence.register
def _(result: RenderResult) -> str:
    path = [] if result.path is None else [_one_line(result.path)]
    return ", ".join([f"{_one_line(result.id)} {result.outcome}", *path, *_of_result(result)])


@_sentence.register
def _(record: JobRecord) -> str:
    return ", ".join([f"{_one_line(record.id)} {record.state}", *filter(None, _of_record(record))])


@_sentence.register
def _(results: Results) -> str:
    return ", ".join(_of_results(results))


@_sentence.register(Batch)
@_sentence.register(AsyncBatch)
def _(batch: Batch | AsyncBatch) -> str:
    return ", ".join(_of_batch(batch))


# ---- players ---------------------------------------------------------------------------------


class _Players:
    """Makes players of files, within the size limit of one output.

    Args:
        options: The options in force.
        width: The width of a player, in pixels.
    """

    def __init__(self, options: Options, width: int) -> None:
        self._options = options
        self._width = width
        self._left = options.embed_limit

    def of(self, path: Path | None) -> str:
        """Returns the player of a file, or says why there is none."""
        if path is None:
            return ""
        shown = f"<code>{escape(str(path))}</code>"
        try:
            size = path.stat().st_size
        except OSError:
            return f"{shown} no longer exists"
        source = self._source(path, size)
        if source is None:
            return f"{shown} ({format_size(size)}): too large to show here, or outside the working folder"
        return f'<video controls preload="metadata" width="{self._width}" src="{escape(source)}"></video>'

    def _source(self, path: Path, size: int) -> str | None:
        link = None if self._options.embed is True else _link(path)
        if link is not None or self._options.embed is False:
            return link
        if size > self._left:
            return _link(path)
        self._left -= size
        return f"data:video/mp4;base64,{b64encode(path.read_bytes()).decode()}"


def _link(path: Path) -> str | None:
    """A file's address from the notebook, if it is below the kernel's working folder."""
    try:
        inside = Path(os.path.abspath(path)).relative_to(Path.cwd())  # noqa: PTH100 - symbolic links stay as they are
    except (OSError, ValueError):
        return None
    return "/".join(quote(part) for part in inside.parts)


# ---- HTML ------------------------------------------------------------------------------------


@singledispatch
def html(value: object, options: Options) -> str:  # noqa: ARG001 - other types use them
    """Returns a value as HTML."""
    raise TypeError(f"a {type(value).__name__} has no notebook representation")


@html.register
def _(video: Video, options: Options) -> str:  # noqa: ARG001 - as above
    return _card("video", _of_video(video), _hint("client.download(job, 'video.mp4')", "saves the file"))


@html.register
def _(file: Download, options: Options) -> str:
    return _Players(options, options.width).of(file.path) + _caption(file.path.name, _of_download(file))


@html.register
def _(result: RenderResult, options: Options) -> str:
    player = _Players(options, options.width).of(result.path)
    return player + _caption(result.id, [result.outcome, *_of_result(result)])


@html.register
def _(record: JobRecord, options: Options) -> str:
    player = _Players(options, options.width).of(record.path if record.state == "saved" else None)
    return player + _caption(record.id, [record.state, *_of_record(record)])


@html.register(Batch)
@html.register(AsyncBatch)
def _(batch: Batch | AsyncBatch, options: Options) -> str:  # noqa: ARG001 - as above
    return _card("Batch", _of_batch(batch))


@html.register
def _(job: VideoJob, options: Options) -> str:  # noqa: ARG001 - as above
    percent = 100 if job.status == "done" else job.progress
    bar = "" if percent is None else f'<progress value="{percent}" max="100">{percent}%</progress> '
    id_ = repr(job.request_id)
    line = {"done": _hint(f"client.download({id_}, 'video.mp4')", "saves the file")}.get(str(job.status), "")
    if not job.is_terminal:
        line = _hint(f"client.wait({id_})", "waits for it")
    return _card(job.request_id, [_status_text(job), *([job.model] if job.model else []), *_of_job(job)], line, bar)


def _card(title: str, facts: Iterable[str], line: str = "", bar: str = "") -> str:
    return f"<div>{bar}{_caption(title, facts)}{line}</div>"


def _caption(title: str, facts: Iterable[str]) -> str:
    text = " · ".join(escape(fact) for fact in facts if fact)
    return f"<p><b>{escape(_one_line(title))}</b> {text}</p>"


def _hint(line: str, what: str) -> str:
    return f"<p><code>{escape(line)}</code> {what}</p>"


def _unbroken(text: str) -> str:
    """Text that stays on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


_COLUMNS: dict[str, Callable[[RenderResult], str]] = {
    "id": lambda result: _one_line(result.id),
    "outcome": lambda result: result.outcome.replace("_", " "),
    "seconds": lambda result: _unbroken("".join(_of_video(None if result.job is None else result.job.video))),
    "size": lambda result: "" if result.bytes is None else _unbroken(format_size(result.bytes)),
    "cost": lambda result: _unbroken(_usd(result.job.usage.cost_usd)) if result.job and result.job.usage else "",
    "render": lambda result: "" if result.render_seconds is None else _unbroken(f"{result.render_seconds:.0f} s"),
    "error": lambda result: "" if result.error is None else _one_line(result.error),
}


@html.register
def _(results: Results, options: Options) -> str:
    players = _Players(options, min(_THUMBNAIL, options.width))
    head = "".join(f"<th>{name}</th>" for name in ("video", *_COLUMNS))
    shown = results[: options.max_rows]
    rows = "".join(f"<tr><td>{players.of(result.path)}</td>{_cells(result)}</tr>" for result in shown)
    more = len(results) - len(shown)
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    caption = _caption("Results", _of_results(results))
    return f"{caption}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _cells(result: RenderResult) -> str:
    return "".join(f"<td>{escape(cell(result))}</td>" for cell in _COLUMNS.values())
