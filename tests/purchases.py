"""Steps that tests of single purchases share."""

from __future__ import annotations

from typing import Any

OFTEN: dict[str, Any] = {"poll_interval": 0.02}
