"""Values that tests of the command line share."""

from __future__ import annotations

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"


DONE = {"status": "done", "video": {"url": "https://a.example/v.mp4", "duration": 8}, "model": "m"}
