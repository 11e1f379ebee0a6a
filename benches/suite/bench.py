"""What every measurement is given: the participants that are here, and how large to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from suite.environments import Environments

DRIVERS = Path(__file__).parent.parent / "drivers"
Size = TypeVar("Size")


@dataclass(frozen=True)
class Bench:
    """What a measurement is given.

    Attributes:
        environments: Where the participants run.
        is_quick: Whether sizes are small: to see that it works, and not to measure.
    """

    environments: Environments
    is_quick: bool

    def size(self, full: Size, quick: Size) -> Size:
        """One of two sizes."""
        return quick if self.is_quick else full

    def vidjob(self) -> list[str]:
        """The driver of vidjob."""
        return [self.environments.own(), str(DRIVERS / "drive_vidjob.py")]

    def peers(self, *names: str) -> dict[str, list[str]]:
        """The drivers of those peers that take part."""
        pythons = {name: self.environments.peer(name) for name in names}
        return {
            name: [python, str(DRIVERS / f"drive_{name.replace('-', '_')}.py")]
            for name, python in pythons.items()
            if python is not None
        }

    def bare(self) -> list[str]:
        """The bare loop, or nothing where it does not take part."""
        program = self.environments.bare()
        return [] if program is None else [program]
