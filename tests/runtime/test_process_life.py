"""What a long life, a fork, a full disk and a shortage of threads do to a process: nothing that is paid for is lost."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import POSIX, ApiMode, Run, quick_client, start_together
from vidjob import Simulator, VideoClient

OFTEN: dict[str, Any] = {"poll_interval": 0.02}


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that makes calls of the system fail."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("preload") / "faults.so"
    source = Path(__file__).parent.parent / "preload" / "faults.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


# ---- many folders -----------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what /proc shows")
def test_threads_descriptors_and_memory_stay_flat_over_many_folders(
    simulator: Simulator, tmp_path: Path, run_python: Run
) -> None:
    program = """
        import gc, os, resource, sys, vidjob
        resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        def use():
            gc.collect()
            return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
        seen = []
        for number in range(100):
            os.mkdir(f"{sys.argv[2]}/{number}")
            try:
                client.render("x", f"{sys.argv[2]}/{number}/a.mp4", poll_interval=0.01)
            except vidjob.JobFailed:
                pass
            if number % 25 == 24:
                seen.append(use())
        # One of each for every folder would be 75; how many threads are idle depends on the machine.
        print(seen[-1][0] < seen[0][0] + 30, seen[-1][1] < seen[0][1] + 30)
    """
    with Simulator(render_seconds=0.0) as quick:
        done = run_python(textwrap.dedent(program), quick.base_url, str(tmp_path))
    assert done.stdout == "True True\n", done.stderr


def test_a_journal_of_many_files_is_read_in_linear_time(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    """Read twice as often as a quadratic reader could in the time that the test has."""
    folder = tmp_path / ".vidjob"
    folder.mkdir()
    client.render("x", tmp_path / "a.mp4", **OFTEN)
    [segment] = folder.glob("*.jsonl")
    text = segment.read_bytes()
    for number in range(2000):
        (folder / f"0-other-{number}.jsonl").write_bytes(text)
    assert len(api(client, "jobs", tmp_path)) == 1
    assert api(client, "render", "x", tmp_path / "a.mp4", **OFTEN).ok


def test_files_of_writers_that_are_gone_are_merged_when_a_run_ends(
    client: VideoClient, simulator: Simulator, tmp_path: Path, run_python: Run
) -> None:
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        client.render(sys.argv[3], sys.argv[2] + f"/{sys.argv[3]}.mp4", poll_interval=0.02)
    """
    for number in range(3):
        done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path), str(number))
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / ".vidjob").glob("*.jsonl"))) == 3
    before = client.jobs(tmp_path)
    assert all(result.ok for result in client.render_many(["y"], tmp_path, **OFTEN))
    assert len(list((tmp_path / ".vidjob").glob("*.jsonl"))) == 2
    assert client.jobs(tmp_path)[:3] == before
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path), "0")
    assert done.returncode == 0, done.stderr
    assert len(simulator.accepted) == 4


# ---- disks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["generate", "render", "render_many"])
@pytest.mark.parametrize("writes", ["3-3", "3-999"])
def test_a_disk_that_fills_up_between_create_and_acceptance_loses_no_job(
    simulator: Simulator, tmp_path: Path, run_python: Run, faults: str, verb: str, writes: str
) -> None:
    program = """
        import sys, vidjob
        address, folder, verb = sys.argv[1:]
        journal = folder + "/.vidjob" if verb == "generate" else None
        client = vidjob.VideoClient("k" * 20, base_url=address, journal=journal)
        if verb == "generate":
            client.generate("x")
        elif verb == "render":
            print(client.render("x", folder + "/a.mp4", poll_interval=0.02).ok)
        else:
            for result in client.render_many([{"id": "a", "prompt": "x"}], folder, poll_interval=0.02):
                print(result.job.request_id, result.ok)
    """
    environment = {"LD_PRELOAD": faults, "FAULT_PATH": ".jsonl", "FAULT_WRITES": writes, "PYTHONWARNINGS": "default"}
    arguments = [simulator.base_url, str(tmp_path), verb]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    [job] = simulator.accepted
    assert job["request_id"] in done.stdout + done.stderr, "the traceback names it, or a warning"
    if verb == "generate":
        assert "JournalError: " in done.stderr
        assert f"(job {job['request_id']})" in done.stderr
    with quick_client(simulator) as client:
        [record] = client.jobs(tmp_path)
        expected = {"generate": "accepted"}.get(verb, "saved")
        if writes == "3-3":
            assert (record.request_id, record.state) == (job["request_id"], expected), "written as soon as it could be"
        if verb == "render":
            assert client.render("x", tmp_path / "a.mp4", **OFTEN).ok
        if verb == "render_many":
            again = client.render_many([{"id": "a", "prompt": "x"}], tmp_path, **OFTEN)
            assert [result.ok for result in again] == [True]
    assert len(simulator.accepted) == 1


def test_outputs_that_cannot_be_written_are_an_error_of_vidjob_and_lose_no_result(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    (tmp_path / "summary.json").mkdir()
    results: list[vidjob.RenderResult] = []

    def run() -> None:
        if api.name == "blocking":
            results.extend(client.render_many(["x", "y"], tmp_path, **OFTEN))
            return

        async def awaited() -> None:
            async for result in client.render_many_async(["x", "y"], tmp_path, **OFTEN):
                results.append(result)  # noqa: PERF401 - those before the error count

        asyncio.run(awaited())

    with pytest.raises(vidjob.JournalError, match=r"summary\.json cannot be written") as caught:
        run()
    assert isinstance(caught.value, OSError)
    assert caught.value.errno
    (tmp_path / "summary.json").rmdir()
    assert all(result.ok for result in client.render_many(["x", "y"], tmp_path, **OFTEN))
    assert len(simulator.accepted) == 2


def test_without_file_locks_nothing_is_bought_twice(simulator: Simulator, tmp_path: Path, faults: str) -> None:
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        rows = [{"id": f"i{n}", "prompt": f"take {n}"} for n in range(6)]
        try:
            list(client.render_many(rows, sys.argv[2], poll_interval=0.02, max_cost_usd=2.5))
        except vidjob.AlreadyRunning as error:
            print(error)
    """
    environment = {**os.environ, "LD_PRELOAD": faults, "FAULT_LOCKS": "1"}
    arguments = [simulator.base_url, str(tmp_path)]
    started = start_together(textwrap.dedent(program), *arguments, count=2, env=environment)
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0, 0]
    prompts = [entry["body"]["prompt"] for entry in simulator.accepted]
    assert len(prompts) == len(set(prompts)) == 6


# ---- forks ------------------------------------------------------------------------------------


@POSIX
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_its_parents_outputs_and_items_alone(
    simulator: Simulator, tmp_path: Path, run_python: Run
) -> None:
    program = """
        import gc, json, os, sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        rows = [{"id": f"i{n}", "prompt": "" if n == 1 else f"take {n}"} for n in range(4)]
        batch = client.render_many(iter(rows), sys.argv[2], poll_interval=0.02, concurrency=2)
        first = [next(batch), next(batch)]
        child = os.fork()
        if child == 0:
            batch.close()
            del batch, client, first
            gc.collect()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(len(first) + len(list(batch)))
    """
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path))
    assert (done.stdout, done.stderr) == ("4\n", "")
    kept = [json.loads(line)["id"] for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    assert sorted(kept) == ["i0", "i2", "i3"]
    [error] = map(json.loads, (tmp_path / "errors.jsonl").read_text().splitlines())
    assert error["id"] == "i1"
    assert json.loads((tmp_path / "summary.json").read_text())["items"] == 4


@POSIX
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_orphan_does_not_hold_its_dead_parents_item(simulator: Simulator, tmp_path: Path) -> None:
    program = """
        import os, signal, sys, time, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        def leaves(job):
            if os.fork() == 0:
                os.close(1)
                time.sleep(30)
                os._exit(0)
            print(os.getpid(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        client.render("x", sys.argv[2] + "/a.mp4", on_update=leaves, poll_interval=0.02)
    """
    arguments = [simulator.base_url, str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        process.wait(30)
    try:
        with quick_client(simulator) as client:
            assert client.render("x", tmp_path / "a.mp4", **OFTEN).ok
    finally:
        os.killpg(group, 9)
    assert len(simulator.accepted) == 1


def test_temporaries_of_killed_runs_are_removed_by_the_next_one(
    simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        rows = [{"id": f"i{n}", "prompt": "" if n == 3 else f"take {n}"} for n in range(4)]
        def dies(event):
            if event["event"] == "download":
                import os, signal
                os.kill(os.getpid(), signal.SIGKILL)
        for result in client.render_many(iter(rows), sys.argv[2], poll_interval=0.02, progress=dies):
            pass
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), simulator.base_url, str(tmp_path)], check=False, timeout=60
    )
    assert done.returncode != 0
    assert list(tmp_path.rglob("*.part")), "it died while it kept a file"
    rows = [{"id": f"i{n}", "prompt": f"take {n}"} for n in range(3)]
    assert all(result.ok for result in client.render_many(rows, tmp_path, **OFTEN))
    assert not list(tmp_path.rglob("*.part"))
    assert len(simulator.accepted) == 3


# ---- threads and interpreters -----------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1, 4, 6])
def test_without_threads_calls_fail_with_an_error_of_the_system(
    simulator: Simulator, tmp_path: Path, faults: str, threads: int
) -> None:
    program = """
        import asyncio, sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1], max_retries=0)
        calls = [
            lambda: client.get("x"),
            lambda: client.generate("x"),
            lambda: client.render("x", sys.argv[2] + "/a.mp4", poll_interval=0.02),
            lambda: list(client.render_many(["x"], sys.argv[2], poll_interval=0.02)),
            lambda: asyncio.run(client.generate_async("x")),
        ]
        for call in calls:
            try:
                call()
            except (OSError, vidjob.VidjobError):
                pass
        print("over")
    """
    environment = {**os.environ, "LD_PRELOAD": faults, "FAULT_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), simulator.base_url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.stdout == "over\n", done.stderr


@pytest.mark.parametrize("first", ["main", "other"])
def test_a_destroyed_subinterpreter_does_not_stop_the_main_one(
    simulator: Simulator, tmp_path: Path, run_python: Run, first: str
) -> None:
    interpreters: Any = pytest.importorskip("_xxsubinterpreters") if sys.version_info < (3, 13) else None
    if interpreters is None:
        pytest.skip("the module that makes subinterpreters is another one from 3.13 on")
    program = """
        import sys
        import _xxsubinterpreters as interpreters
        if sys.argv[3] == "main":
            import vidjob
            vidjob.VideoClient("k" * 20, base_url=sys.argv[1]).generate("x")
        other = interpreters.create()
        work = f"import sys; sys.path[:] = {sys.path!r}" + chr(10) + "import vidjob"
        try:
            interpreters.run_string(other, work)
        except interpreters.RunFailedError:
            pass
        interpreters.destroy(other)
        import vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        print(client.render("y", sys.argv[2] + "/a.mp4", poll_interval=0.02).ok)
    """
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path), first)
    assert done.stdout == "True\n", done.stderr
