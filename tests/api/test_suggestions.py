"""The name that a misspelt one stands for."""

from __future__ import annotations

import pytest

from vidjob._suggestions import nearest

NAMES = ["id", "prompt", "user", "image", "images", "duration", "aspect_ratio", "max_cost_usd", "model"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("duraton", "duration", id="a letter is missing"),
        pytest.param("durations", "duration", id="a letter too many"),
        pytest.param("durution", "duration", id="another letter"),
        pytest.param("duratoin", "duration", id="two neighbours are swapped"),
        pytest.param("udration", "duration", id="the first two are swapped"),
        pytest.param("druatoin", "duration", id="two pairs are swapped"),
        pytest.param("durtin", "duration", id="two letters are missing"),
        pytest.param("promtp", "prompt", id="the last two are swapped"),
        pytest.param("Duration", "duration", id="case"),
        pytest.param("aspectRatio", "aspect_ratio", id="camel case"),
        pytest.param("aspect ratio", "aspect_ratio", id="a blank"),
        pytest.param("Aspect-Ratio", "aspect_ratio", id="a hyphen"),
        pytest.param(" model ", "model", id="blanks around it"),
        pytest.param("max_cost", None, id="a half of a name"),
        pytest.param("maxcostused", "max_cost_usd", id="separators and a letter"),
        pytest.param("imags", "image", id="the first of two that are equally near"),
        pytest.param("imagess", "images", id="the nearer of two"),
        pytest.param("usr", "user", id="a short name with one edit"),
        pytest.param("usre", "user", id="a short name with two swapped letters"),
        pytest.param("us", None, id="a short name with two edits"),
        pytest.param("di", "id", id="the shortest name"),
        pytest.param("x", None, id="one letter"),
        pytest.param("seed", None, id="another word"),
        pytest.param("scene", None, id="one more"),
        pytest.param("", None, id="nothing"),
        pytest.param("_", None, id="a separator"),
        pytest.param("durée", None, id="three edits"),
    ],
)
def test_the_nearest_name_is_found(word: str, expected: str | None) -> None:
    assert nearest(word, NAMES) == expected


def test_names_can_be_any_iterable() -> None:
    assert nearest("modle", (name for name in NAMES)) == "model"
    assert nearest("modle", ()) is None
