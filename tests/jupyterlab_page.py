"""A JupyterLab on this machine, and a headless Chromium that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUMS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
#: Nothing but the page is asked for, and no graphics card is needed.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: What would ask the network for news, and what a picture can do without.
SETTINGS = {
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
STARTING = 60.0
TOKEN = "seen"  # noqa: S105 - of a server on loopback, for a minute


def missing() -> str | None:
    """What is not there that it takes to look at a notebook."""
    try:
        import jupyterlab  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed: pip install --group browser"
    return None if _chromium() else "no Chromium on the PATH"


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@contextmanager
def lab(folder: Path, private: Path) -> Iterator[str]:
    """A server of the notebooks in a folder.

    Args:
        folder: What it shows.
        private: Where it keeps its settings, and which notebooks it trusts: a new one trusts none.

    Yields:
        The address of the server.
    """
    homes = {name: private / name.lower() for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    _write_settings(homes["JUPYTER_CONFIG_DIR"] / "lab" / "user-settings" / "@jupyterlab")
    surroundings = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    surroundings.pop("COMETAPI_KEY", None)
    surroundings.update({name: str(home) for name, home in homes.items()}, IPYTHONDIR=str(private / "ipython"))
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"),
        *(f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (
        (private / "lab.log").open("wb") as log,
        subprocess.Popen(command, env=surroundings, stdout=log, stderr=log) as server,
    ):
        try:
            yield _address(homes["JUPYTER_RUNTIME_DIR"], server, private / "lab.log")
        finally:
            server.terminate()


def _write_settings(home: Path) -> None:
    for name, values in SETTINGS.items():
        path = home / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def _address(runtime: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    """Where a server listens, as soon as it says so."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                address: str = json.loads(path.read_text())["url"]
            except ValueError:  # being written
                continue
            return address
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


class Notebook:
    """A notebook that is open in a browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def run(self) -> None:
        """Runs all cells, and waits for the last one."""
        self.begin()
        self.finish()

    def begin(self) -> None:
        """Starts to run all cells."""
        self.page.evaluate("window.running = window.jupyterapp.commands.execute('notebook:run-all-cells'); null")

    def finish(self) -> None:
        """Waits until all cells have run."""
        self.page.evaluate("window.running")

    def save(self) -> None:
        """Saves it with what its cells show."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")

    def is_trusted(self) -> bool:
        """Whether its code cells may show what they like."""
        is_trusted: bool = self.page.evaluate(
            "[...window.jupyterapp.shell.currentWidget.model.cells]"
            ".filter(cell => cell.type === 'code').every(cell => cell.trusted)"
        )
        return is_trusted

    def players(self) -> list[dict[str, Any]]:
        """Every player, as soon as each has loaded a frame or met an error."""
        self.page.wait_for_function(
            "[...document.querySelectorAll('video')].every(each => each.readyState >= 2 || each.error)"
        )
        players: list[dict[str, Any]] = self.page.evaluate(
            "[...document.querySelectorAll('video')].map(each => "
            "({ready: each.readyState, width: each.videoWidth, source: each.getAttribute('src'),"
            " is_controlled: each.controls, shown: each.clientWidth}))"
        )
        return players

    def wait_until_says(self, cell: int, words: str) -> None:
        """Waits until a code cell shows words that match a regular expression."""
        self.page.wait_for_function(
            "([cell, words]) => new RegExp(words, 's').test(document.querySelectorAll('.jp-CodeCell')[cell].innerText)",
            arg=[cell, words],
        )

    def picture_of(self, cell: int) -> bytes:
        """A code cell with what it shows, as PNG."""
        picture: bytes = self.page.locator(".jp-CodeCell").nth(cell).screenshot()
        return picture


@contextmanager
def opened(address: str, name: str, *, width: int = 1000, height: int = 800) -> Iterator[Notebook]:
    """A notebook of a server, open and with its kernel ready, in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_chromium(), args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
            page.set_default_timeout(120_000)
            page.goto(f"{address}doc/tree/{name}?token={TOKEN}")
            page.wait_for_function(
                "window.jupyterapp?.shell.currentWidget?.context?.isReady"
                " && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
            )
            yield Notebook(page)
        finally:
            browser.close()
