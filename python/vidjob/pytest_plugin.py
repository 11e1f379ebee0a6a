"""The pytest plugin: the fixtures ``vidjob_simulator`` and ``vidjob_client``. pytest loads it by itself."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from vidjob._client import VideoClient
    from vidjob._native import Simulator

__all__ = ["vidjob_client", "vidjob_simulator"]

_MARKER = "vidjob_simulator"
#: Arguments of the simulator, unless the marker sets them.
_FAST = {"render_seconds": 0.1, "spread": 0.0}
_POLL_INTERVAL = "0.02"
#: Removed while the simulator runs: no key can reach a real service.
_KEYS = ("COMETAPI_KEY", "XAI_API_KEY")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    line = f"{_MARKER}(**arguments): run the test against a vidjob.Simulator with these arguments"
    config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A marked test uses the simulator, also if it does not name the fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker(_MARKER) is not None:
            names = item.fixturenames
            # A new list: the other parameters of the function may have the old one.
            # First: other fixtures may make a client.
            item.fixturenames = [_MARKER, *(name for name in names if name != _MARKER)]


@pytest.fixture
def vidjob_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A simulated service for one test: VideoClient() reaches it without a key, and nothing costs money.

    It is a `vidjob.Simulator`. While it runs, VIDJOB_BASE_URL leads to it, so that a VideoClient() of the code under
    test reaches it without a change; VIDJOB_POLL_INTERVAL makes such a client poll every 0.02 s. COMETAPI_KEY and
    XAI_API_KEY are removed, so that no test can spend money. All are restored afterwards.

    Renders take 0.1 s. Set arguments of vidjob.Simulator with a marker:

        @pytest.mark.vidjob_simulator(shape="xai", render_seconds=60)

    Assert on vidjob_simulator.accepted (the jobs that were bought) and vidjob_simulator.faults_left.
    """
    with _simulator(request) as simulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VIDJOB_BASE_URL", simulator.base_url)
        environment.setenv("VIDJOB_POLL_INTERVAL", _POLL_INTERVAL)
        for name in _KEYS:
            environment.delenv(name, raising=False)
        yield simulator


@pytest.fixture
def vidjob_client(vidjob_simulator: Simulator) -> Iterator[VideoClient]:
    """A `vidjob.VideoClient` of the fixture vidjob_simulator, which polls and retries at once."""
    with vidjob_simulator.client() as client:
        yield client


def _simulator(request: pytest.FixtureRequest) -> Simulator:
    from vidjob._native import Simulator

    given: dict[str, Any] = {}
    # The nearest marker comes first, and wins.
    for marker in reversed([*request.node.iter_markers(_MARKER)]):
        if marker.args:
            raise _refusal(marker.args, marker.kwargs, "takes keyword arguments only, such as shape=")
        _check_names(marker.kwargs)
        given.update(marker.kwargs)
    try:
        return Simulator(**{**_FAST, **given})
    except (OSError, TypeError, ValueError) as error:
        raise _refusal((), given, str(error)) from None


def _check_names(given: Mapping[str, Any]) -> None:
    from difflib import get_close_matches
    from inspect import signature

    from vidjob._native import Simulator

    known = [*signature(Simulator).parameters]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise _refusal((), given, f"there is no argument {name}: {meant}Simulator takes {', '.join(known)}")


def _refusal(positional: tuple[Any, ...], given: Mapping[str, Any], fault: str) -> BaseException:
    written = ", ".join([*map(repr, positional), *(f"{name}={value!r}" for name, value in given.items())])
    return pytest.fail.Exception(f"@pytest.mark.{_MARKER}({written}): {fault}", pytrace=False)
