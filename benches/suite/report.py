"""The page that says what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from suite.tables import Figures, Mark, Table


class Column(NamedTuple):
    """How a figure is written.

    Attributes:
        head: The column's.
        factor: What it is multiplied by.
        digits: After the point.
    """

    head: str
    factor: float = 1
    digits: int = 0


_MILLION = 1e-6
COLUMNS = {
    "import_ms": Column("ms", digits=1),
    "modules": Column("modules"),
    "median_us": Column("median, µs"),
    "p99_us": Column("99th percentile, µs"),
    "together_us": Column("on one core: median, µs"),
    "together_cpu_us": Column("processor time each, µs"),
    "cpu_us": Column("processor time each, µs"),
    "jobs": Column("jobs"),
    "lost": Column("lost"),
    "late_mean": Column("late on average, s", digits=2),
    "late_p95": Column("late, 95th percentile, s", digits=2),
    "queries_per_job": Column("queries per job", digits=1),
    "cpu_us_per_query": Column("processor time per query, µs"),
    "cpu_ms_per_job": Column("processor time per job, ms", digits=2),
    "bytes_per_job": Column("memory per job, kB", 1e-3, 1),
    "delay_mean": Column("delay on average, s", digits=2),
    "delay_p95": Column("delay, 95th percentile, s", digits=2),
    "requests": Column("queries per job", digits=1),
    "product": Column("delay times queries", digits=1),
    "gain": Column("against the frontier, on average", digits=2),
    "gain_worst": Column("at worst", digits=2),
    "items_per_second": Column("items/s"),
    "files_per_second": Column("files/s"),
    "cpu_per_gib": Column("processor time per GiB, s", digits=2),
    "grown": Column("memory, MB", _MILLION, 1),
    "seconds": Column("seconds", digits=2),
    "cpu": Column("processor time, s", digits=2),
    "per_second": Column("per second"),
}
#: What some tables mean by a name that they share.
SPECIAL = {
    ("download", "per_second"): Column("MB/s", _MILLION),
    ("download_tls", "per_second"): Column("MB/s", _MILLION),
    ("fan_out", "per_second"): Column("queries/s"),
    ("fan_out", "seconds"): Column("all, ms", 1e3, 0),
}


def page(tables: Sequence[Table], machine: Mapping[str, Any]) -> str:
    """All tables as Markdown."""
    parts = [
        "# Figures",
        f"Written by `python benches/run.py` on {machine['date']}. {_machine(machine)}",
        "Servers and clients share the machine. Ratios are of the medians; `results.json` has every round.",
        *(_section(table) for table in tables),
    ]
    return "\n\n".join(parts) + "\n"


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    size = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']:.0f} GiB"
    return f"{size}, {machine['system']}, Python {machine['python']}; {versions}."


def _section(table: Table) -> str:
    marks = "\n".join(_mark(mark) for mark in table.marks)
    about = " ".join(table.about.split())
    return "\n\n".join(filter(None, [f"## {table.title}", about, _rows(table), marks]))


def _rows(table: Table) -> str:
    keys = list(dict.fromkeys(key for row in table.rows.values() for key in row if key in COLUMNS))
    columns = [SPECIAL.get((table.name, key), COLUMNS[key]) for key in keys]
    lines = [
        ["", *(column.head for column in columns)],
        ["---", *("---:" for _ in columns)],
        *(
            [_bold(name), *(_figure(row, key, column) for key, column in zip(keys, columns, strict=True))]
            for name, row in table.rows.items()
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bold(name: str) -> str:
    return f"**{name}**" if name.startswith("vidjob") else name


def _figure(row: Figures, key: str, column: Column) -> str:
    value = row.get(key)
    return "" if value is None else f"{value * column.factor:,.{column.digits}f}"


def _mark(mark: Mark) -> str:
    wanted = f"at most {mark.at_most:,g}" if mark.at_most is not None else f"at least {mark.at_least:,g}"
    sign = "reached" if mark.is_reached else "**missed**"
    return f"- {mark.words}: {mark.value:,.3g} ({wanted}): {sign}"
