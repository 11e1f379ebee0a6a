"""Measures vidjob and its peers side by side, and writes a page of tables, raw JSON, and plots.

    python benches/run.py [--only NAME ...] [--quick] [--out FOLDER]

The first run makes an environment for each peer and builds vidjob from this checkout; it needs a network, a Rust
toolchain, nginx, curl and, to show what the servers can do, wrk. What is not here is left out, and said.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from suite import children, machine, report
from suite.bench import Bench
from suite.environments import HERE, Environments
from suite.measures import batch, download, fan_out, imports, pacing, query, upload, waiting
from suite.tables import Table

MEASURES = {
    "imports": imports,
    "query": query,
    "fan_out": fan_out,
    "waiting": waiting,
    "pacing": pacing,
    "download": download,
    "upload": upload,
    "batch": batch,
}


def main() -> None:
    """Measures, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works")
    parser.add_argument("--alone", action="store_true", help="only vidjob, as it is installed for this interpreter")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="FOLDER")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path.home() / ".cache" / "vidjob-benches",
        metavar="FOLDER",
        help="where the peers are installed (default: %(default)s)",
    )
    args = parser.parse_args()
    environments = Environments(args.environments, is_alone=args.alone)
    bench = Bench(environments, args.quick)
    tables = []
    for name in args.only:
        print(name, flush=True)
        tables += MEASURES[name].measure(bench)
    described = machine.described(environments, is_alone=args.alone)
    _write(args.out, tables, described, environments.own())


def _write(folder: Path, tables: list[Table], described: dict[str, object], python: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.json"
    told = {"machine": described, "tables": [asdict(table) for table in tables]}
    results.write_text(json.dumps(told, indent=1) + "\n")
    (folder / "README.md").write_text(report.page(tables, described))
    print(f"  {folder / 'README.md'}\n  {results}")
    print(children.run([python, str(HERE / "suite" / "plots.py"), str(results), str(folder)]), end="")


if __name__ == "__main__":
    main()
