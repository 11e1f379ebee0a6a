"""Clients and responses that tests of odd services share."""

from __future__ import annotations

from typing import Any

from raw import RawService
from support import quick_client
from vidjob import VideoClient

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"


URL = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4"


DONE = {"status": "done", "video": {"url": URL, "duration": 1}}


def client_of(service: RawService, **settings: Any) -> VideoClient:
    return quick_client(service, **{"max_retries": 0, "timeout": 10, "retry_delay": 0.01, **settings})
