"""The functions of this package that the compiled part calls, registered with it when the package is imported."""

from __future__ import annotations

from vidjob import _errors, _native
from vidjob._client import VideoClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vidjob._values import JobStatus

__all__ = ["register"]


def _exception(name: str) -> type[Exception]:
    exception: type[Exception] = getattr(_errors, name)
    return exception


def _job_status(word: str) -> JobStatus:
    from vidjob._values import JobStatus

    return JobStatus(word)


def _encode_image(image: object, field: str) -> bytes:
    from vidjob._media import encoded

    return encoded(image, field)


def _display_bundle(value: Any, include: object, exclude: object) -> object:
    from vidjob.notebook import bundle

    return bundle(value, include, exclude)


def _display_text(value: Any) -> str:
    from vidjob.notebook import text

    return text(value)


def _interrupt_guard() -> Callable[[], object]:
    from vidjob._kernel import wire_stop_button

    return wire_stop_button()


def register() -> None:
    """Registers all of them."""
    _native.register(
        client=VideoClient,
        display_bundle=_display_bundle,
        display_text=_display_text,
        encode_image=_encode_image,
        exception=_exception,
        interrupt_guard=_interrupt_guard,
        job_status=_job_status,
    )
