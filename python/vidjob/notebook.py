"""How values show themselves in a notebook.

Whatever is shown still works when the notebook is opened again, also where it is not trusted: players are plain
``<video>`` elements, and there is no script and no style sheet. The service's temporary links are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from vidjob._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Options", "bundle", "configure", "text"]


@dataclass(frozen=True)
class Options:
    """What is shown, and how.

    Attributes:
        embed: Whether players carry their video: ``"auto"`` links to files below the working folder and embeds others
            up to ``embed_limit``; ``True`` embeds wherever the limit allows; ``False`` only links.
        embed_limit: The most that is embedded in one output, in bytes of video.
        width: Width of a player, in pixels.
        max_rows: Rows of a table of results.
    """

    embed: Literal["auto"] | bool = "auto"
    embed_limit: int = 5_000_000
    width: int = 480
    max_rows: int = 20


_options = Options()


def configure(**changes: Any) -> Options:  # noqa: ANN401 - the fields of Options
    """Changes what is shown from now on.

    Args:
        **changes: Fields of [Options][vidjob.notebook.Options].

    Returns:
        All options as they are now.

    Raises:
        ConfigurationError: There is no such option, or not with such a value.
    """
    global _options  # noqa: PLW0603 - a notebook has one way to show things
    unknown = changes.keys() - Options.__dataclass_fields__.keys()
    if unknown:
        known = ", ".join(Options.__dataclass_fields__)
        raise ConfigurationError(f"there is no option {min(unknown)!r}; there are {known}")
    options = replace(_options, **changes)
    if options.embed not in ("auto", True, False):
        raise ConfigurationError(f'embed can be "auto", True or False, and not {options.embed!r}')
    for name in ("embed_limit", "width", "max_rows"):
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigurationError(f"{name} is a whole number that is not negative, and not {value!r}")
    _options = options
    return options


def bundle(
    value: object, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, str]:
    """What IPython is given to show a value: short text, and HTML.

    Args:
        value: A ``Video``, ``VideoJob``, ``Download``, ``RenderResult``, ``JobRecord``, ``Results`` or a batch.
        include: MIME types that are wanted. Default: all.
        exclude: MIME types that are not wanted.
    """
    from vidjob import _cards

    made = {"text/plain": _cards.text(value)}
    if (not include or "text/html" in include) and "text/html" not in (exclude or ()):
        made["text/html"] = _cards.html(value, _options)
    return {kind: content for kind, content in made.items() if not include or kind in include}


def text(value: object) -> str:
    """A value in one short line."""
    from vidjob import _cards

    return _cards.text(value)
