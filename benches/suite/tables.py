"""What was measured, and the marks it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """What is to be reached.

    Attributes:
        words: What it is about.
        value: What it came to.
        at_most: What it may be at most.
        at_least: What it must be at least.
    """

    words: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the value is within the mark."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least


@dataclass
class Table:
    """One measurement.

    Attributes:
        name: What `--only` calls it.
        title: What it is.
        about: How it was measured, in a sentence or two.
        rows: The figures of each participant: medians over the rounds.
        marks: What they are held against.
        rounds: The figures of each round.
    """

    name: str
    title: str
    about: str
    rows: dict[str, Figures]
    marks: list[Mark] = field(default_factory=list)
    rounds: dict[str, list[Figures]] = field(default_factory=dict)


def interleaved(rounds: int, participants: Mapping[str, Callable[[], Figures]]) -> dict[str, list[Figures]]:
    """Lets all participants have their turn in each round, so that a disturbance meets all of them."""
    figures: dict[str, list[Figures]] = {name: [] for name in participants}
    for number in range(rounds):
        for name, run in participants.items():
            print(f"  round {number + 1}: {name}", flush=True)
            figures[name].append(run())
    return figures


def medians(rounds: Mapping[str, list[Figures]]) -> dict[str, Figures]:
    """The median of each figure over the rounds; of what is no number, the last."""
    return {name: {key: _median([each[key] for each in told]) for key in told[0]} for name, told in rounds.items()}


def _median(values: list[Any]) -> Any:
    is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return statistics.median(values) if is_number else values[-1]


def ratio(rows: Mapping[str, Figures], key: str, above: str, below: str) -> float | None:
    """How many times one participant's figure is another's, if both took part."""
    if above not in rows or below not in rows:
        return None
    quotient: float = rows[above][key] / rows[below][key]
    return quotient


def at_least(words: str, value: float | None, least: float) -> list[Mark]:
    """A mark to be reached from below, if there is a value."""
    return [] if value is None else [Mark(words, value, at_least=least)]


def at_most(words: str, value: float | None, most: float) -> list[Mark]:
    """A mark to be stayed under, if there is a value."""
    return [] if value is None else [Mark(words, value, at_most=most)]
