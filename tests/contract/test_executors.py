"""The same promises, kept by every Executor; then what only those that can be stopped promise."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.contract import Declined, Executor, Inputs
from pipeline.core import errors
from pipeline.core.errors import (
    ConfigInvalid,
    ExecutorDied,
    GeometryUnusable,
    LanternError,
    NotFound,
    OurFault,
    OutOfMemory,
    PeerBusy,
    Permanent,
    PipelineFailed,
    Retryable,
    TimeLimit,
)
from pipeline.execute import ExecutorOptions, make_executor
from pipeline.execute.attempt import answer
from pipeline.execute.child import packed
from pipeline.execute.process import ProcessExecutor
from tests.support.pipelines import dotted, given

ROOT = Path(__file__).parents[2]
ON_CPU = ExecutorOptions(device="cpu", threads=1, seed=3)

EVERY_ERROR = sorted(
    (c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, LanternError)), key=lambda c: c.__name__
)

QUICK_ERRORS = [c for c in EVERY_ERROR if not issubclass(c, Retryable)] + [PeerBusy]
"""Each Retryable one costs its executor a process; the way out of the process is one for all (see the last test)."""


def made(kind: str, options: ExecutorOptions = ON_CPU, **rest) -> Executor:
    if kind == "ray" and not os.environ.get("CI"):
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'lantern-dicom[ray]'")
    return make_executor(kind, options, **rest)


def pid_in(findings) -> int:
    return int(findings.remarks[0].removeprefix("pid "))


def is_running(pid: int) -> bool:
    """False for a zombie, too; but a first thread that is one may leave others behind that still hold the files."""
    try:
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        return threads > 1 or "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_running_by(pid_file: Path) -> bool:
    """On a machine so busy that the pipeline never began before its limit, there is no number, and nothing to run."""
    return pid_file.exists() and is_running(int(pid_file.read_text()))


def comes_true(condition, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="class", params=["inline", "process", "ray"])
def executor(request) -> Iterator[Executor]:
    """One of each, warm for all tests of a class, as on a node."""
    running = made(request.param)
    yield running
    running.close()


@pytest.fixture(scope="class", params=["process", "ray"])
def stoppable(request) -> Iterator[str]:
    """A kind that keeps limits. Ray itself stays up between its tests; starting it takes seconds."""
    if request.param == "process":
        yield request.param
        return
    made("ray")
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=100 * 1024**2)
    yield request.param
    ray.shutdown()


class TestEveryExecutor:
    def test_findings_come_back_whole_and_writable(self, executor):
        findings = executor.run(dotted("FINDS"), given())
        labels = findings.labels
        assert labels.array.dtype == np.uint16
        assert labels.array.sum() == 60
        assert labels.array[2:5, 3:7, 4:9].all()
        assert labels.array.flags.writeable
        assert labels.spacing == (1.0, 0.5, 0.5)
        assert labels.coordinate_system.value == "PATIENT"
        assert findings.lesions[0].centroid_mm == (3.0, 2.25, 3.0)
        assert findings.remarks[1] == "cpu 1 threads, torch 1"

    def test_declining_is_an_answer_and_no_error(self, executor):
        assert executor.run(dotted("DECLINES"), given()) == Declined("No contrast agent was given.")

    def test_a_second_run_in_the_same_process_draws_the_same_random_numbers(self, executor):
        first, second = (executor.run(dotted("FINDS"), given()) for _ in range(2))
        assert pid_in(first) == pid_in(second)
        assert first.timings_s == second.timings_s

    def test_an_exception_of_the_pipeline_is_named_with_its_type_and_message(self, executor):
        with pytest.raises(PipelineFailed) as caught:
            executor.run(dotted("RAISES"), given())
        assert "raised ValueError at " in caught.value.message
        assert "pipelines.py:" in caught.value.message
        assert "upside down" not in str(caught.value)  # words of others may quote a patient
        assert "lantern jobs retry" in caught.value.hint

    @pytest.mark.parametrize("kind", QUICK_ERRORS, ids=lambda c: c.__name__)
    def test_an_error_made_for_a_person_crosses_as_itself_with_its_hint(self, executor, kind):
        with pytest.raises(kind) as caught:
            executor.run(dotted("RAISES_OURS"), given(error=kind.__name__))
        assert type(caught.value) is kind
        assert (caught.value.message, caught.value.hint) == ("what happened", "what to do")

    def test_an_error_class_of_the_pipelines_own_becomes_the_nearest_that_everybody_knows(self, executor):
        with pytest.raises(GeometryUnusable) as caught:
            executor.run(dotted("RAISES_ABROAD"), given())
        assert type(caught.value) is GeometryUnusable
        assert (caught.value.message, caught.value.hint) == ("two slices share a place", "export the series again")

    def test_a_pipeline_that_calls_sys_exit_fails_and_the_next_run_works(self, executor):
        with pytest.raises(PipelineFailed, match="SystemExit"):
            executor.run(dotted("EXITS"), given())
        assert executor.run(dotted("FINDS"), given()).lesions

    def test_a_result_that_is_none_is_a_fault_of_the_pipeline(self, executor):
        with pytest.raises(PipelineFailed, match="returned str"):
            executor.run(dotted("RETURNS_NONSENSE"), given())

    @pytest.mark.parametrize("name", ["no-such-pipeline", "tests.support.pipelines:NONE", "no_such_module:PIPELINE"])
    def test_a_name_that_nobody_has_is_not_found(self, executor, name):
        with pytest.raises(NotFound) as caught:
            executor.run(name, given())
        assert caught.value.hint

    def test_an_object_that_is_no_pipeline_is_refused(self, executor):
        with pytest.raises(PipelineFailed, match="is not a pipeline"):
            executor.run(dotted("NOT_A_PIPELINE"), given())

    def test_memory_that_runs_out_shrinks_the_tiles_and_the_result_says_so(self, executor):
        findings = executor.run(dotted("FILLS_DEVICE"), given(fits=["cpu", 0.5]))
        assert findings.remarks[2:] == ("CPU memory was not enough at tile scale 1; went on at 0.5.",)

    def test_what_never_fits_is_out_of_memory_and_the_next_run_works(self, executor):
        with pytest.raises(OutOfMemory):
            executor.run(dotted("FILLS_DEVICE"), given())
        assert executor.run(dotted("FINDS"), given()).lesions

    def test_closing_twice_is_allowed_and_a_closed_executor_starts_again(self, executor):
        executor.close()
        executor.close()
        assert executor.run(dotted("FINDS"), given()).lesions


class TestExecutorsThatCanBeStopped:
    @pytest.fixture(scope="class")
    def warm(self, stoppable) -> Iterator[Executor]:
        running = made(stoppable)
        yield running
        running.close()

    def run(self, kind, pipeline, options=ON_CPU, on_tick=lambda: None, **given_options):
        running = made(kind, options, on_tick=on_tick)
        try:
            return running.run(dotted(pipeline), given(**given_options))
        finally:
            running.close()

    @pytest.mark.parametrize(
        ("pipeline", "said"),
        [("SEGFAULTS", "SIGSEGV"), ("ABORTS", "SIGABRT"), ("IS_KILLED", "SIGKILL"), ("LEAVES", "exit status 3")],
    )
    def test_a_crash_costs_one_try_the_reason_is_told_and_the_next_run_works(self, stoppable, warm, pipeline, said):
        with pytest.raises(ExecutorDied) as caught:
            warm.run(dotted(pipeline), given())
        assert isinstance(caught.value, Retryable)
        assert pipeline in caught.value.message
        if stoppable == "process":
            assert said in caught.value.message
        assert warm.run(dotted("DECLINES"), given()) == Declined("No contrast agent was given.")

    def test_findings_that_cannot_be_pickled_are_a_fault_of_the_pipeline(self, warm):
        with pytest.raises(PipelineFailed, match="cannot leave its process"):
            warm.run(dotted("UNPICKLABLE"), given())

    def test_the_pipeline_runs_in_another_process_that_ends_with_the_executor(self, warm):
        pid = pid_in(warm.run(dotted("FINDS"), given()))
        assert pid != os.getpid()
        assert is_running(pid)
        warm.close()
        assert comes_true(lambda: not is_running(pid))

    @pytest.mark.parametrize("here", [True, False], ids=["inline", "there"])
    def test_a_gpu_that_is_not_there_is_said_with_a_hint(self, stoppable, here):
        options = ExecutorOptions(device="gpu:63", threads=1)
        with pytest.raises(ConfigInvalid, match="'gpu:63' is not there") as caught:
            self.run("inline" if here else stoppable, "FINDS", options)
        assert "lantern doctor" in caught.value.hint

    def test_a_run_past_its_time_limit_is_stopped_and_its_process_is_gone(self, stoppable, tmp_path):
        options = ExecutorOptions(device="cpu", threads=1, time_limit_s=15)  # a busy machine takes long to begin
        began = time.monotonic()
        with pytest.raises(TimeLimit, match="past its limit of 15 s") as caught:
            self.run(stoppable, "SLEEPS", options, seconds=200, pid_file=str(tmp_path / "pid"))
        assert isinstance(caught.value, Permanent)
        assert time.monotonic() - began < 150
        assert comes_true(lambda: not is_running_by(tmp_path / "pid"))

    def test_a_run_past_its_memory_limit_is_stopped_before_the_machine_is_full(self, stoppable):
        options = ExecutorOptions(device="cpu", threads=1, memory_limit_mb=900)
        with pytest.raises(OutOfMemory if stoppable == "process" else Retryable):
            self.run(stoppable, "EATS_MEMORY", options, megabytes=2500, seconds=30)

    def test_a_run_within_its_memory_limit_is_left_alone(self, stoppable):
        options = ExecutorOptions(device="cpu", threads=1, memory_limit_mb=1500)
        assert self.run(stoppable, "EATS_MEMORY", options, megabytes=200).remarks == ("ate 200 MB",)

    def test_the_tick_comes_about_every_second_while_the_pipeline_computes(self, stoppable):
        ticks: list[float] = []
        self.run(stoppable, "SLEEPS", on_tick=lambda: ticks.append(time.monotonic()), seconds=3)
        assert 2 <= len(ticks) <= 40
        assert all(0.5 < later - earlier < 5 for earlier, later in pairwise(ticks))

    def test_a_tick_that_raises_stops_the_run_and_reaches_the_caller(self, stoppable, tmp_path):
        class Cancelled(Exception):
            pass

        pid_file = tmp_path / "pid"
        raised = []

        def cancel_once():
            if pid_file.exists() and not raised:
                raised.append(True)
                raise Cancelled

        began = time.monotonic()
        with pytest.raises(Cancelled):
            self.run(stoppable, "SLEEPS", on_tick=cancel_once, seconds=60, pid_file=str(pid_file))
        assert time.monotonic() - began < 40
        assert comes_true(lambda: not is_running(int(pid_file.read_text())))


class TestTheProcessExecutor:
    @pytest.fixture
    def running(self) -> Iterator[ProcessExecutor]:
        executor = ProcessExecutor(ON_CPU)
        yield executor
        executor.close()

    def test_a_child_that_died_between_two_jobs_is_replaced(self, running):
        first = pid_in(running.run(dotted("FINDS"), given()))
        os.kill(first, 9)
        assert comes_true(lambda: not is_running(first))
        assert pid_in(running.run(dotted("FINDS"), given())) != first

    def test_a_child_keeps_running_after_permanent_trouble_and_is_replaced_after_retryable(self, running):
        first = pid_in(running.run(dotted("FINDS"), given()))
        with pytest.raises(PipelineFailed):
            running.run(dotted("RAISES"), given())
        assert pid_in(running.run(dotted("FINDS"), given())) == first
        with pytest.raises(OutOfMemory):
            running.run(dotted("FILLS_DEVICE"), given())
        assert pid_in(running.run(dotted("FINDS"), given())) != first

    def test_signals_meant_for_the_node_pass_the_child_by(self, running, tmp_path):
        pid_file = tmp_path / "pid"

        def signal_it():
            assert comes_true(lambda: pid_file.exists() and pid_file.read_text(), within_s=30)
            for number in (2, 15):
                os.kill(int(pid_file.read_text()), number)

        sender = threading.Thread(target=signal_it)
        sender.start()
        findings = running.run(dotted("SLEEPS"), given(seconds=3, pid_file=str(pid_file)))
        sender.join()
        assert findings.lesions

    def test_killing_the_child_takes_along_what_the_pipeline_started(self, tmp_path):
        options = ExecutorOptions(device="cpu", threads=1, time_limit_s=15)  # a busy machine takes long to begin
        executor = ProcessExecutor(options)
        with pytest.raises(TimeLimit):
            executor.run(dotted("STARTS_A_HELPER"), given(pid_file=str(tmp_path / "pid")))
        assert comes_true(lambda: not is_running_by(tmp_path / "pid"))

    def test_inputs_that_cannot_be_handed_over_are_our_fault(self, running):
        with pytest.raises(OurFault, match="cannot be handed to another process"):
            running.run(dotted("FINDS"), Inputs(series={}, options={"f": lambda: 0}))

    def test_the_child_would_be_the_first_to_go_and_leaves_no_core_file(self, running):
        pid = pid_in(running.run(dotted("FINDS"), given()))
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 800
        (core,) = (x for x in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in x)
        assert core.split()[4:6] == ["0", "0"]


PROGRAM = """
import sys, time, threading
from pipeline.execute import ExecutorOptions, make_executor
from tests.support.pipelines import dotted, given

def main():
    executor = make_executor("process", ExecutorOptions(device="cpu", threads=1))
    print("answer", executor.run(dotted("PRINTS"), given()).remarks[0], flush=True)
    {then}

if __name__ == "__main__":
    {start}
"""


@pytest.mark.parametrize("start", ["main()", "t = threading.Thread(target=main); t.start(); t.join()"])
def test_a_killed_node_leaves_no_orphan(tmp_path, start):
    program = tmp_path / "node.py"
    pid_file = tmp_path / "pid"
    sleep = f'executor.run(dotted("SLEEPS"), given(seconds=600, pid_file={str(pid_file)!r}))'
    program.write_text(PROGRAM.format(then=sleep, start=start))
    node = subprocess.Popen([sys.executable, program], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert comes_true(lambda: pid_file.exists() and pid_file.read_text(), within_s=60)
        assert is_running(int(pid_file.read_text()))
    finally:
        node.kill()
        node.wait()
    assert comes_true(lambda: not is_running(int(pid_file.read_text())))


def test_a_program_that_forgets_to_close_ends_all_the_same_and_standard_output_is_its_own(tmp_path):
    program = tmp_path / "node.py"
    program.write_text(PROGRAM.format(then="pass", start="main()"))
    done = subprocess.run(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("answer pid ")
    assert "a pipeline's chatter" in done.stderr
    assert not is_running(int(done.stdout.split()[-1]))


def test_ray_leaves_the_handling_of_sigterm_alone_and_says_what_its_machines_cannot_give():
    def ours(number, frame):
        pass

    before = signal.signal(signal.SIGTERM, ours)
    running = made("ray")
    try:
        running.run(dotted("DECLINES"), given())
        assert signal.getsignal(signal.SIGTERM) is ours
        with pytest.raises(ConfigInvalid, match=r"0\.5 GPU"):
            made("ray", ExecutorOptions(device="cpu", threads=1, num_gpus=0.5)).run(dotted("FINDS"), given())
    finally:
        running.close()
        signal.signal(signal.SIGTERM, before)


def test_without_ray_the_error_says_what_to_install(tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError(\"No module named 'ray'\", name='ray')")
    code = (
        "from pipeline.execute import *\n"
        "try: make_executor('ray', ExecutorOptions())\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ConfigInvalid")
    assert "pip install 'lantern-dicom[ray]'" in done.stdout


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda c: c.__name__)
def test_every_error_survives_the_way_out_of_a_process(kind):
    name = dotted("RAISES_OURS")
    again = pickle.loads(packed(name, answer(name, given(error=kind.__name__), ON_CPU)))
    assert type(again) is kind
    assert (again.message, again.hint) == ("what happened", "what to do")
