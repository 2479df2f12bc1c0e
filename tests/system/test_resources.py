"""What a process that launches takes: the threads it was allowed, little memory, and nothing that grows."""

import os
import sys
from pathlib import Path

import pytest
from tests.processes import SAXPY, run, script

linux = pytest.mark.skipif(sys.platform != "linux", reason="the figures are read from Linux's /proc")

WORKERS = """
import os
before = len(os.listdir("/proc/self/task"))
big = np.ones(1 << 22, np.float32)
for _ in range(3):
    saxpy[big.size](2.0, big, big.copy())
print(gy.device("cpu").capabilities.units, len(os.listdir("/proc/self/task")) - before)
"""


@linux
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_launch_has_the_threads_it_was_allowed(tmp_path: Path, threads: int) -> None:
    """GYRAL_THREADS counts the launching thread too, so that 1 starts none."""
    done = run(script(tmp_path, SAXPY, WORKERS), tmp_path / "cache", GYRAL_THREADS=str(threads))
    assert done.stdout == f"{threads} {threads - 1}\n", done.stderr


@linux
def test_a_launch_stays_on_the_processors_of_its_process(tmp_path: Path) -> None:
    """A process bound to one processor launches on that one, by itself."""
    bound = """
    import os
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    """
    done = run(script(tmp_path, bound, SAXPY, WORKERS), tmp_path / "cache")
    assert done.stdout == "1 0\n", done.stderr


@linux
@pytest.mark.skipif(
    hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < 2, reason="one processor"
)
def test_workers_inherit_the_affinity_of_the_process(tmp_path: Path) -> None:
    """Threads of a launch may run where the process may, and nowhere else."""
    asked = """
    import os
    allowed = os.sched_getaffinity(0)
    tasks = [int(task) for task in os.listdir("/proc/self/task")]
    print(all(os.sched_getaffinity(task) <= allowed for task in tasks))
    """
    done = run(script(tmp_path, SAXPY, WORKERS, asked), tmp_path / "cache")
    assert done.stdout.splitlines()[-1] == "True", done.stderr


@linux
def test_a_launch_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    """Beside 128 MiB of NumPy arrays a launch needs less than one more MiB, at its highest."""
    peak = """
    def status(field):
        text = open("/proc/self/status").read()
        return int(text.partition(f"{field}:")[2].split()[0])

    def launch():
        saxpy[big.size](2.0, big, out)
        saxpy[big.size // 2](2.0, big[::2], out[::2])
        saxpy.bind(big.size, 2.0, big, out)()

    big, out = np.ones(1 << 24, np.float32), np.ones(1 << 24, np.float32)
    launch()
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    launch()
    print(status("VmHWM") - before < 1024)
    """
    done = run(script(tmp_path, SAXPY, peak), tmp_path / "cache")
    assert done.stdout == "True\n", done.stderr


@linux
def test_launches_of_every_sort_leave_nothing_behind(tmp_path: Path) -> None:
    """Thousands of launches, failed ones, views and device arrays later the process is as large as before."""
    many = """
    import gc, sys
    def held():
        gc.collect()
        return sys.getallocatedblocks(), int(open("/proc/self/statm").read().split()[1])

    @gy.kernel(check=True)
    def guarded(x: gy.Array[gy.f32]):
        x[gy.global_id() + 1] = 1

    def turn():
        for _ in range(300):
            saxpy[1000](2.0, x, y)
            saxpy[100](2.0, x[:200:2], y[:100])
            saxpy[8](a=2.0, x=x, y=y)
            with gy.options(fastmath=True):
                saxpy[8](2.0, x, y)
            there = gy.array(x)
            saxpy[1000](2.0, there, there[:])
            there.numpy()
            for wrong in (lambda: guarded[1000](x), lambda: saxpy[8](2.0, x), lambda: saxpy[8](2.0, x, 1)):
                try:
                    wrong()
                except gy.GyralError:
                    pass
        gy.synchronize()

    turn(), turn(), turn(), turn()
    blocks, pages = held()
    turn(), turn(), turn()
    more_blocks, more_pages = held()
    print(more_blocks - blocks, more_pages - pages)
    """
    done = run(script(tmp_path, SAXPY, many), tmp_path / "cache")
    blocks, pages = map(int, done.stdout.split())
    assert (blocks < 300, pages < 256) == (True, True), f"{blocks} blocks, {pages} pages more"
