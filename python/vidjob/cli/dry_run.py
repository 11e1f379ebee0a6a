"""The dry run of a batch: checks every order, and estimates what would be bought."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob import _native
from vidjob._batch.plan import Duplicate
from vidjob._batch.rows import place_of
from vidjob._json_values import quote_value
from vidjob._progress.formatting import printable
from vidjob.cli.exit_codes import error_text
from vidjob.cli.single_job import usd

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vidjob._batch.plan import Item, Plan

__all__ = ["DryRun"]


@dataclass
class DryRun:
    """The findings of a dry run.

    Attributes:
        max_cost_usd: The limit for the cost in the folder, or ``None``.
        max_jobs: The limit for the jobs of this run, or ``None``.
        prices: Prices that override the known ones.
        service: The base URL of the service.
        refuses_existing: Whether items that the folder has are errors.
        known: What the folder knows of items that would not be bought again, by id.
        spent_usd: What is spent in the folder.
        items: The number of items.
        bought: The number of items that are bought already.
        elsewhere: The services that have some of these instead, and the number of items.
        submitted: The number of items that would be submitted.
        duplicates: The number of rows that repeat an item.
        unpriced: The number of items without a known price.
        cost_usd: What all items would cost that are not bought yet.
        stop: Where a limit would stop the run, or ``None``.
        mistakes: What is wrong with the orders.
    """

    max_cost_usd: float | None
    max_jobs: int | None
    prices: dict[str, Any] | None
    service: str
    refuses_existing: bool
    known: dict[str, dict[str, Any]]
    spent_usd: Decimal
    items: int = 0
    bought: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)
    submitted: int = 0
    duplicates: int = 0
    unpriced: int = 0
    cost_usd: Decimal = Decimal(0)
    stop: dict[str, Any] | None = None
    mistakes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, args: argparse.Namespace, records: Sequence[dict[str, Any]], service: str) -> DryRun:
        """Returns the beginning of a dry run.

        Args:
            args: The options of ``batch``.
            records: What the folder's journal knows.
            service: The base URL of the service.
        """
        again = {"refused"} | ({"failed"} if args.retry_failed else set())
        again |= {"unknown"} if args.on_unknown == "resubmit" else set()
        again |= {"saved", "done", "failed", "blocked"} if args.on_existing == "overwrite" else set()
        return cls(
            getattr(args, "max_cost_usd", None),
            getattr(args, "max_jobs", None),
            args.prices,
            service,
            args.on_existing == "error",
            {record["id"]: record for record in records if _state_of(record) not in again},
            Decimal(sum(record["spent_in_usd_ticks"] for record in records)).scaleb(-10),
        )

    def check(self, order: object, plan: Plan) -> None:
        """Checks one order."""
        index = plan.count
        try:
            item = plan.checked(order)
            if isinstance(item, Duplicate):
                self.duplicates += 1
                return
            estimate = _native.estimate_usd(item.request, self.prices)
        except vidjob.InvalidRequest as error:
            if error.field == "prices":  # the same for every order
                raise
            self.mistakes.append(f"{printable(place_of(order, index))}: {error_text(error)}")
            return
        self.items += 1
        record = self.known.get(item.id)
        mistake = self._mistake_of(item, record, estimate)
        if mistake is not None:
            self.mistakes.append(f"{printable(place_of(order, index))}: {mistake}")
        elif record is None:
            self._submit(item, None if estimate is None else Decimal(str(round(estimate, 6))))
        else:
            self.bought += 1
            self.elsewhere.update({record["service"]} - {None, self.service})

    def _mistake_of(self, item: Item, record: dict[str, Any] | None, estimate: float | None) -> str | None:
        """Returns why a real run would refuse an item, if it would."""
        if record is None:
            is_unpriced = estimate is None and self.max_cost_usd is not None
            return "--max-cost-usd needs a price, and none is known for it: see --prices" if is_unpriced else None
        if self.refuses_existing:
            return "the folder has this item, and --on-existing error refuses it"
        if record["request_sha256"] not in {"", item.sha256}:
            return "the folder has another request under this id; use another id, or another folder"
        return None

    def _submit(self, item: Item, estimate: Decimal | None) -> None:
        spent = self.spent_usd + self.cost_usd
        self.unpriced += estimate is None
        self.cost_usd += estimate or 0
        if self.stop is not None:
            return
        limit = self._limit(spent + (estimate or 0))
        if limit is None:
            self.submitted += 1
        else:
            self.stop = {"row": item.index + 1, "id": item.id, "limit": limit, "spent_usd": float(spent)}

    def _limit(self, spent: Decimal) -> str | None:
        """Returns the limit that an item would reach, if it does."""
        if self.max_jobs is not None and self.submitted >= self.max_jobs:
            return "max_jobs"
        is_over = self.max_cost_usd is not None and spent > Decimal(str(self.max_cost_usd))
        return "budget" if is_over else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the findings in plain JSON types."""
        return {
            "items": self.items,
            "duplicates": self.duplicates,
            "bought": self.bought,
            "elsewhere": dict(self.elsewhere),
            "unpriced": self.unpriced,
            "estimated_usd": float(self.cost_usd),
            "spent_usd": float(self.spent_usd),
            "submitted": self.submitted,
            "stop": self.stop,
        }

    def pairs(self) -> list[tuple[str, str]]:
        """Returns the findings for people, as names and values."""
        unpriced = f", and {self.unpriced:,} without a known price: see --prices" if self.unpriced else ""
        return [
            ("items", f"{self.items:,}"),
            ("duplicates", f"{self.duplicates:,}" if self.duplicates else ""),
            ("bought before", f"{self.bought:,}" if self.bought else ""),
            ("elsewhere", ", ".join(f"{count:,} of these at {service}" for service, count in self.elsewhere.items())),
            ("would cost", f"about {usd(self.cost_usd)}{unpriced}"),
            ("spent so far", usd(self.spent_usd) if self.spent_usd else ""),
            ("would stop", "" if self.stop is None else self._stop_text(self.stop)),
        ]

    def _stop_text(self, stop: dict[str, Any]) -> str:
        limit = (
            f"--max-jobs {self.max_jobs}" if stop["limit"] == "max_jobs" else f"--max-cost-usd {self.max_cost_usd:g}"
        )
        place = f"before row {stop['row']:,} (id {quote_value(stop['id'])})"
        left = self.items - self.bought - self.submitted
        return f"{place}: {limit} is reached after {self.submitted:,} items, and {left:,} would not be submitted"


def _state_of(record: dict[str, Any]) -> str:
    """Returns the state of a record; blocked jobs are not bought again with the failed ones."""
    return "blocked" if record["is_blocked"] else str(record["state"])
