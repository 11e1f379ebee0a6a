"""Chooses how the command line shows progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from functools import partial

from vidjob._progress.bars import BatchBars, JobBar, tqdm_class
from vidjob._progress.formatting import is_terminal
from vidjob.cli.plain_lines import BatchLines, JobLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["batch_display", "job_display"]


def job_display(stream: TextIO | None, label: str | None = None, label_width: int = 0) -> JobBar | JobLines | None:
    """Returns the display of one job; ``None`` without a stream."""
    if stream is None:
        return None
    if is_terminal(stream):
        return JobBar(partial(tqdm_class(), file=stream), label=label, label_width=label_width)
    return JobLines(stream, label=label, label_width=label_width)


def batch_display(stream: TextIO | None, total: int | None) -> BatchBars | BatchLines | None:
    """Returns the display of a batch of ``total`` items; ``None`` without a stream."""
    if stream is None:
        return None
    if is_terminal(stream):
        return BatchBars(partial(tqdm_class(), file=stream), total)
    return BatchLines(total, stream)
