"""requests, with the loop that a careful user would write."""

from __future__ import annotations

from typing import Any

import requests
from meter import main, one_by_one
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry


def query(base_url: str, job: str, count: int) -> dict[str, float]:
    retries = Retry(4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.headers["authorization"] = "Bearer k"
        session.mount("http://", HTTPAdapter(max_retries=retries))

        def ask() -> dict[str, Any]:
            response = session.get(f"{base_url}/videos/{job}", timeout=(10, 60))
            response.raise_for_status()
            told: dict[str, Any] = response.json()
            assert told["status"] in {"pending", "processing", "done"}
            return told

        return one_by_one(ask, count)


main({"query": query})
