"""Keeps secrets out of pickled clients."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidjob._options import ClientSettings

__all__ = ["arguments_of", "missing_secrets", "without_secrets"]

#: What a pickle may have left out.
_NAMES = {"api_key": "its API key", "headers": "its headers", "proxy": "the user and password of its proxy"}


def without_secrets(settings: ClientSettings, base_url: str) -> ClientSettings:
    """Returns settings for a pickle: without secrets, unless ``pickle_key`` allows them."""
    settings = replace(settings, base_url=base_url)
    if settings.pickle_key:
        return settings
    proxy = None if settings.proxy is None else _without_user(settings.proxy)
    secrets = {
        "api_key": settings.api_key is not None,
        "headers": bool(settings.headers),
        "proxy": proxy != settings.proxy,
    }
    withheld = (*settings.withheld, *(name for name, is_set in secrets.items() if is_set))
    return replace(settings, api_key=None, headers={}, proxy=proxy, withheld=withheld)


def _without_user(address: str) -> str:
    scheme, mark, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def missing_secrets(settings: ClientSettings) -> str:
    """Returns the message of a client whose pickle left out secrets."""
    names = ", ".join(_NAMES[name] for name in settings.withheld)
    return f"this client was pickled without {names}; create it with pickle_key=True, or create a new one here"


def arguments_of(settings: ClientSettings) -> dict[str, Any]:
    """Returns the arguments of `VideoClient` that settings amount to."""
    return {each.name: getattr(settings, each.name) for each in fields(settings) if each.name != "withheld"}
