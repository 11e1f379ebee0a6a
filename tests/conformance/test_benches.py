"""The benchmark still runs: tiny sizes, vidjob alone, no network. It says nothing about speed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from support import POSIX

pytestmark = [POSIX]

RUN = Path(__file__).parent.parent.parent / "benches" / "run.py"
TABLES = ["imports", "query", "query_awaited", "fan_out", "waiting", "upload", "batch"]
WITH_NGINX = ["download", "download_tls", "small_files"]


def test_quick_benchmark_writes_its_results(tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), "--quick", "--alone", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr

    results = json.loads((tmp_path / "results.json").read_text())
    has_nginx = shutil.which("nginx") is not None and shutil.which("curl") is not None
    tables = {table["name"]: table for table in results["tables"]}
    assert sorted(tables) == sorted(TABLES + (WITH_NGINX if has_nginx else []))
    assert all("vidjob" in table["rows"] for table in tables.values())
    for row in tables["waiting"]["rows"].values():
        assert row["lost"] == 0
        assert 1 < row["queries_per_job"] < 20
        assert 0 <= row["late_mean"] < 1
    assert results["machine"]["versions"]["vidjob"]

    page = (tmp_path / "README.md").read_text()
    assert all(f"## {table['title']}" in page for table in tables.values())
    assert page.count("**vidjob**") >= len(tables)
    assert "<svg" in (tmp_path / "figures.svg").read_text()
