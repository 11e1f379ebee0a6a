"""What notebooks show of values, as ``vidjob.notebook.configure`` sets it."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from vidjob._errors import ConfigurationError

__all__ = ["Options", "configure", "current"]


@dataclass(frozen=True)
class Options:
    """What is shown, and how.

    Attributes:
        embed: Whether players carry their video: ``"auto"`` links to files below the working folder and embeds others
            up to ``embed_limit``; ``True`` embeds all that the limit allows; ``False`` only links.
        embed_limit: Most bytes of video embedded in one output.
        width: Width of a player, in pixels.
        max_rows: Rows of a table of results.
    """

    embed: Literal["auto"] | bool = "auto"
    embed_limit: int = 5_000_000
    width: int = 480
    max_rows: int = 20


Options.__module__ = "vidjob.notebook"

_options = Options()


def current() -> Options:
    """Returns the options in force."""
    return _options


def configure(**changes: Any) -> Options:  # noqa: ANN401 - the fields of Options
    """Changes what notebooks show from now on.

    Args:
        **changes: Fields of `Options`.

    Returns:
        All options, as they are now.

    Raises:
        ConfigurationError: An option is unknown, or its value is out of range.
    """
    global _options  # noqa: PLW0603 - one setting per process
    unknown = changes.keys() - Options.__dataclass_fields__.keys()
    if unknown:
        known = ", ".join(Options.__dataclass_fields__)
        raise ConfigurationError(f"unknown option {min(unknown)!r}; the options are {known}")
    options = replace(_options, **changes)
    if options.embed not in ("auto", True, False):
        raise ConfigurationError(f'embed must be "auto", True or False, not {options.embed!r}')
    for name in ("embed_limit", "width", "max_rows"):
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigurationError(f"{name} must be a whole number from 0 up, not {value!r}")
    _options = options
    return options


configure.__module__ = "vidjob.notebook"
