"""How values show themselves in notebooks.

Outputs still work when the notebook is opened again, also when it is not trusted: players are plain ``<video>``
elements, without scripts or style sheets. The service's temporary links are never shown.
"""

from __future__ import annotations

from collections.abc import Collection

from vidjob._notebook.options import Options, configure, current

__all__ = ["Options", "bundle", "configure", "text"]


def bundle(
    value: object, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, str]:
    """Returns what IPython shows of a value: short text, and HTML.

    Args:
        value: A ``Video``, ``VideoJob``, ``Download``, ``RenderResult``, ``JobRecord``, ``Results`` or a batch.
        include: MIME types to return. Default: all.
        exclude: MIME types to leave out.
    """
    from vidjob._notebook import repr_html

    made = {"text/plain": repr_html.text(value)}
    if (not include or "text/html" in include) and "text/html" not in (exclude or ()):
        made["text/html"] = repr_html.html(value, current())
    return {kind: content for kind, content in made.items() if not include or kind in include}


def text(value: object) -> str:
    """Returns a value as one short line."""
    from vidjob._notebook import repr_html

    return repr_html.text(value)
