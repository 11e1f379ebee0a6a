"""In a real kernel: the stop button, await at top level, and blocking verbs inside the running loop."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support import POSIX

manager = pytest.importorskip("jupyter_client.manager")

pytestmark = [
    POSIX,
    pytest.mark.skipif(
        sys.version_info < (3, 11), reason="on Python 3.10, ipykernel can stop reading messages after an interrupt"
    ),
    # Of the libraries that speak to kernels, not of ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

#: A service whose renders take long. A thread tells when it is polled: an interrupt could break into a callback that
#: prints, and so into ipykernel's code.
SET_UP = """
import asyncio
import threading
import time
from vidjob import Simulator, VideoClient

simulator = Simulator(render_seconds=600).__enter__()

def polls():
    return sum(request["method"] == "GET" for request in simulator.requests)

def announce_poll(word):
    known = polls()
    def wait():
        while polls() == known:
            time.sleep(0.01)
        print(word, flush=True)
    threading.Thread(target=wait).start()

client = VideoClient("k", base_url=simulator.base_url)
job = client.generate("a candle")
others = [client.generate(f"candle {n}") for n in range(30)]
print(job.request_id)
"""


_NUMBERS = itertools.count()


class Kernel:
    """A kernel, and cells that are run in it."""

    def __init__(self) -> None:
        self._manager, self._client = manager.start_new_kernel(kernel_name="python3")

    def begin(self, code: str) -> str:
        """Sends a cell; gives the id of the message."""
        message: str = self._client.execute(code)
        return message

    def hear(self, message: str) -> tuple[str, list[str]]:
        """What a cell prints, and the names of its errors."""
        said, errors = "", list[str]()
        while True:
            told = self._client.get_iopub_msg(timeout=30)
            if told["parent_header"].get("msg_id") != message:
                continue
            kind, content = told["msg_type"], told["content"]
            if kind == "stream":
                said += content["text"]
            elif kind == "error":
                errors.append(content["ename"])
            elif kind == "status" and content["execution_state"] == "idle":
                break
        return said, errors

    def overhear(self, word: str) -> str:
        """What is printed, by whatever cell or thread, up to a word."""
        said = ""
        while word not in said:
            told = self._client.get_iopub_msg(timeout=30)
            said += told["content"]["text"] if told["msg_type"] == "stream" else ""
        return said

    def run(self, code: str) -> str:
        """Runs a cell to its end, and gives what it prints."""
        said, errors = self.hear(self.begin(code))
        assert errors == [], (said, errors)
        return said

    def interrupt(self) -> None:
        """Presses the stop button."""
        self._manager.interrupt_kernel()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def job(kernel: Kernel) -> str:
    return kernel.run(SET_UP).split()[-1]


def stopped(kernel: Kernel, code: str) -> tuple[str, list[str]]:
    """Runs a cell until the service was polled, and presses stop: what is said, and the names of errors.

    The job ends after ten minutes: only the stop button ends the cell sooner.
    """
    word = f"polled-{next(_NUMBERS)}"
    kernel.run(f"announce_poll({word!r})")
    cell = kernel.begin(code)
    before = kernel.overhear(word)
    kernel.interrupt()
    said, errors = kernel.hear(cell)
    # What an awaiting cell has to say comes when it has ended.
    late = _everything(kernel, kernel.begin("await asyncio.sleep(0.3)"))
    return before + said + late, errors


def settled(kernel: Kernel) -> None:
    """Nothing of ours is left at work in the kernel."""
    code = """
import asyncio
print([task for task in asyncio.all_tasks() if "vidjob" in repr(task)])
"""
    assert kernel.run(code) == "[]\n"


BLOCKING = "client.wait(job, poll_interval=0.2)"
RENDER_MANY = "list(client.render_many(rows, folder, poll_interval=0.2))"
ORDERS = "import tempfile; folder = tempfile.mkdtemp(); rows = [{'id': str(n), 'prompt': 'x'} for n in range(40)]"
MANY = "await asyncio.gather(*(client.wait_async(each, poll_interval=0.2) for each in [job, *others]))"


@pytest.mark.parametrize("progress", ["", ", progress=True"])
def test_stop_ends_a_blocking_call_at_once(kernel: Kernel, job: str, progress: str) -> None:
    said, errors = stopped(kernel, f"client.wait(job, poll_interval=0.2{progress})")
    assert errors == ["KeyboardInterrupt"]
    assert f"job {job} is still running; client.wait('{job}') waits for it" in said
    settled(kernel)


@pytest.mark.parametrize("verb", [BLOCKING, "client.render('x', folder + '/a.mp4', poll_interval=0.2)", RENDER_MANY])
def test_stop_ends_a_blocking_call_in_an_awaiting_cell_at_once(kernel: Kernel, job: str, verb: str) -> None:
    kernel.run(ORDERS)
    said, errors = stopped(kernel, f"await asyncio.sleep(0); {verb}")
    assert errors == ["CancelledError"]
    assert "waits for it" in said or "run the same call again to continue" in said
    settled(kernel)
    assert kernel.run("import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)") == "True\n"
    assert job


def test_stop_ends_an_awaiting_cell_at_once(kernel: Kernel, job: str) -> None:
    said, errors = stopped(kernel, "await client.wait_async(job, poll_interval=0.2)")
    assert errors in (["CancelledError"], ["KeyboardInterrupt"])
    assert f"job {job} is still running; client.wait('{job}') waits for it" in said, "it stands below the cell"
    settled(kernel)


def _everything(kernel: Kernel, until: str) -> str:
    """What is printed by whatever cell until one of them ends: some of it comes when its own has ended."""
    said = ""
    while True:
        told: Any = kernel._client.get_iopub_msg(timeout=30)
        if told["msg_type"] == "stream":
            said += told["content"]["text"]
        is_idle = told["msg_type"] == "status" and told["content"]["execution_state"] == "idle"
        if is_idle and told["parent_header"].get("msg_id") == until:
            return said


def test_many_waits_end_together_and_say_so_briefly(kernel: Kernel, job: str) -> None:
    said, errors = stopped(kernel, MANY)
    assert errors in (["CancelledError"], ["KeyboardInterrupt"])
    assert said.count(" is still running; ") == 10
    assert "... and 21 more" in said
    assert job
    settled(kernel)


@pytest.mark.parametrize(
    "code",
    [
        RENDER_MANY,
        "[result async for result in client.render_many_async(rows, folder, poll_interval=0.2)]",
    ],
    ids=["blocking", "asyncio"],
)
def test_stop_lets_go_of_a_batch(kernel: Kernel, job: str, code: str) -> None:
    kernel.run(ORDERS)
    said, _errors = stopped(kernel, code)
    assert "jobs are still running; run the same call again to continue" in said
    assert job
    settled(kernel)
    before = int(kernel.run("print(len(simulator.accepted))"))
    again = kernel.run("print(len(client.jobs(folder)), len(simulator.accepted))").split()
    assert int(again[0]) >= 32
    assert int(again[1]) == before


def test_await_and_blocking_verbs_in_one_cell(kernel: Kernel, tmp_path: Any) -> None:
    code = f"""
from vidjob import Simulator
with Simulator(render_seconds=0.2) as quick, quick.client() as other:
    first = other.generate("blocking")
    second = await other.generate_async("awaited")
    done = [other.wait(first, poll_interval=0.05), await other.wait_async(second, poll_interval=0.05)]
    kept = other.render("both", {str(tmp_path / "a.mp4")!r}, poll_interval=0.05)
print([str(job.status) for job in done], kept.ok)
"""
    assert kernel.run(code).strip() == "['done', 'done'] True"


def test_bars_are_drawn_in_a_kernel(kernel: Kernel) -> None:
    code = """
from vidjob import Simulator
with Simulator(render_seconds=0.5) as quick, quick.client() as other:
    other.wait(other.generate("a"), poll_interval=0.05, progress=True)
"""
    assert _draws(kernel, kernel.begin(code))


def _draws(kernel: Kernel, cell: str) -> bool:
    """Whether a cell shows a bar, as a widget or, without ipywidgets, as text."""
    is_drawn = False
    while True:
        told: Any = kernel._client.get_iopub_msg(timeout=30)
        kind, content = told["msg_type"], told["content"]
        assert kind != "error", content
        is_drawn |= kind == "display_data" and "application/vnd.jupyter.widget-view+json" in content["data"]
        is_drawn |= kind == "stream" and "100%" in content["text"]
        if (kind, told["parent_header"].get("msg_id")) == ("status", cell) and content["execution_state"] == "idle":
            return is_drawn
