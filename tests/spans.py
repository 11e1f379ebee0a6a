"""The spans that a test has produced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Spans:
    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    @property
    def all(self) -> Sequence[Any]:
        return list(self._exporter.get_finished_spans())

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.all]

    def attributes(self, name: str) -> Mapping[str, Any]:
        return dict(next(span.attributes for span in self.all if span.name.split()[0] == name))
