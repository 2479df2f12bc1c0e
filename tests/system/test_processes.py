"""Kernels and processes: a shared cache, a broken one, forks, interrupts, and what a start loads."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.processes import LAUNCH, SAXPY, run, script

HEAVY = """
heavy = [m for m in sys.modules if m.startswith(("gyral.compiler", "llvmlite"))]
print(heavy)
"""


def test_a_warm_start_compiles_nothing(tmp_path: Path) -> None:
    """The second process takes the code from disk and loads neither compiler nor LLVM."""
    program = script(tmp_path, SAXPY, LAUNCH, HEAVY)
    first, second = run(program, tmp_path / "cache"), run(program, tmp_path / "cache")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "llvmlite" in first.stdout
    assert second.stdout.strip() == "[]"


def test_an_edited_kernel_is_compiled_again(tmp_path: Path) -> None:
    """A change of the source is never served by what was compiled before."""
    program = script(tmp_path, SAXPY, LAUNCH)
    assert run(program, tmp_path / "cache").returncode == 0
    edited = script(tmp_path, SAXPY.replace("a * x[i] + y[i]", "a * x[i] - y[i]"), LAUNCH)
    changed = run(edited, tmp_path / "cache")
    assert "AssertionError" in changed.stderr


def test_an_edit_that_means_nothing_loads_no_llvm(tmp_path: Path) -> None:
    """A new comment or name is compiled to the same text, whose machine code is there already."""
    loaded = "print('llvmlite' in sys.modules)"
    assert run(script(tmp_path, SAXPY, LAUNCH, loaded), tmp_path / "cache").stdout.strip() == "True"
    renamed = SAXPY.replace("    i = gy", "    # a comment\n    k = gy").replace("[i]", "[k]")
    edited = run(script(tmp_path, renamed, LAUNCH, loaded), tmp_path / "cache")
    assert edited.stdout.strip() == "False", edited.stderr


def test_two_processes_may_compile_at_once(tmp_path: Path) -> None:
    """Processes that start together with an empty cache all get the right result."""
    program = script(tmp_path, SAXPY, LAUNCH)
    environ = os.environ | {"GYRAL_CACHE_DIR": str(tmp_path / "cache")}
    started = [subprocess.Popen([sys.executable, str(program)], env=environ) for _ in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]


def test_a_corrupted_cache_is_replaced(tmp_path: Path) -> None:
    """Damaged entries are compiled again, and the next process finds them whole."""
    cache = tmp_path / "cache"
    program = script(tmp_path, SAXPY, LAUNCH, HEAVY)
    assert run(program, cache).returncode == 0
    for path in cache.rglob("*.gya"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    repaired, again = run(program, cache), run(program, cache)
    assert repaired.returncode == 0, repaired.stderr
    assert "llvmlite" in repaired.stdout
    assert again.stdout.strip() == "[]"


def test_an_unwritable_cache_costs_a_warning(tmp_path: Path) -> None:
    """Where nothing can be written, kernels run all the same and one warning says so."""
    blocker = tmp_path / "blocker"
    blocker.write_text("")
    done = run(script(tmp_path, SAXPY, LAUNCH), blocker / "cache")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == 1


def test_without_a_cache_everything_works(tmp_path: Path) -> None:
    """GYRAL_CACHE_DIR="" keeps nothing on disk."""
    done = run(script(tmp_path, SAXPY, LAUNCH), "")
    assert (done.returncode, done.stderr) == (0, "")


def test_built_ahead_means_compiled_never(tmp_path: Path) -> None:
    """A program whose kernels were built into its cache compiles nothing."""
    ahead = "from gyral.jit.ahead import build\nbuild(saxpy, (), 'cpu', sys.argv[0] + '.built')\n"
    program = script(tmp_path, SAXPY, ahead)
    built = run(program, "")
    assert built.returncode == 0, built.stderr
    done = run(script(tmp_path, SAXPY, LAUNCH, HEAVY), str(program) + ".built")
    assert done.stdout.strip() == "[]", done.stderr


def test_captured_values_are_frozen_for_kernels_from_disk_too(tmp_path: Path) -> None:
    """A specialisation on disk is refused once the captured value is another than the first one's."""
    kernel = """
    import sys
    import numpy as np
    import gyral as gy

    @gy.kernel
    def scaled(x: gy.Array):
        x[gy.global_id()] *= scale

    """
    compiled = """
    scale = int(sys.argv[1])
    scaled[1](np.ones(1, np.float32)), scaled[1](np.ones(1, np.float64))
    """
    warm = """
    scale = 2
    scaled[1](np.ones(1, np.float32))
    scale = 3
    try:
        scaled[1](np.ones(1, np.float64))
    except gy.CompileError as error:
        print(error.code, *(m for m in sys.modules if m.startswith("llvmlite")))
    """
    cache = tmp_path / "cache"
    for scale in "23":
        text = compiled.replace("int(sys.argv[1])", scale)
        assert run(script(tmp_path, kernel, text), cache).returncode == 0
    done = run(script(tmp_path, kernel, warm), cache)
    assert done.stdout.strip() == "GY204", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_launches_and_compiles(tmp_path: Path) -> None:
    """After a fork the child runs what was compiled, compiles more, and uses queues again."""
    child = """
    saxpy[1000](2.0, x, y)
    big_x, big_y = np.ones(1 << 20, np.float32), np.zeros(1 << 20, np.float32)
    saxpy[1 << 20](1.0, big_x, big_y)
    device_x, device_y = gy.array(x), gy.array(y)
    saxpy[1000](1.0, device_x, device_y)
    import os
    pid = os.fork()
    saxpy[1000](2.0, x, y)
    saxpy[1 << 20](1.0, big_x, big_y)
    saxpy[500](1.0, x[::2], y[::2])
    device_z = gy.zeros(1000, gy.f32)
    saxpy[1000](1.0, gy.array(x), device_z)
    assert (device_z.numpy() == x).all() and (big_y == 2).all()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    """
    done = run(script(tmp_path, SAXPY, child), tmp_path / "cache")
    assert done.returncode == 0, done.stderr


def test_an_interrupted_launch_leaves_a_usable_process(tmp_path: Path) -> None:
    """Ctrl-C in a long launch raises KeyboardInterrupt soon; launches go on afterwards."""
    endless = """
    @gy.kernel
    def burn(x: gy.Array[gy.f32], n: gy.i64):
        i = gy.global_id()
        for k in range(n):
            x[i] = x[i] * 1.5 + 1.0

    burn[4](x, 1)
    try:
        print("ready", flush=True)
        while True:
            burn[1000](np.zeros(1 << 22, np.float32), 1000)
    except KeyboardInterrupt:
        saxpy[1000](2.0, x, y)
        print("usable")
    """
    program = script(tmp_path, SAXPY, endless)
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"GYRAL_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "usable\n")


def test_queued_work_is_finished_at_exit(tmp_path: Path) -> None:
    """A process that ends with work on a stream finishes it, and tells a failure."""
    queued = """
    @gy.kernel
    def tell(x: gy.Array[gy.f32]):
        print("told", x[gy.global_id()])

    tell[1](gy.array(x))
    """
    done = run(script(tmp_path, SAXPY, queued), tmp_path / "cache")
    assert (done.returncode, done.stdout) == (0, "told 0.0\n")


def test_without_the_native_module_kernels_are_still_shown_and_interpreted(tmp_path: Path) -> None:
    """Where the extension is missing only launching is, and it says so."""
    hidden = "import sys\nsys.modules['gyral._native'] = None\n"
    shown = """
    assert "grid.global_id" in saxpy.ir() and "define" in saxpy.source("llvm")
    saxpy.interpret[10](2.0, x, y)
    assert y[5] == 11 and "cpu" not in [device.name for device in gy.devices()]
    try:
        saxpy[1000](2.0, x, y)
    except gy.UnsupportedError as error:
        print(error)
    """
    done = run(script(tmp_path, hidden + SAXPY, shown), tmp_path / "cache")
    assert "native module" in done.stdout, done.stderr


def test_importing_loads_no_compiler() -> None:
    """`import gyral` loads neither compiler nor LLVM."""
    program = (
        "import gyral, sys; print([m for m in sys.modules if m.startswith(('gyral.compiler', 'llvmlite'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_changed_file_under_a_running_program_is_refused(tmp_path: Path) -> None:
    """A kernel whose file changed since it was imported is not compiled from the new text."""
    changing = """
    import pathlib
    path = pathlib.Path(__file__)
    path.write_text(path.read_text().replace("a * x[i] + y[i]", "a * x[i] - y[i]"))
    try:
        saxpy[1000](2.0, x, y)
    except gy.CompileError as error:
        print(error.code)
    """
    done = run(script(tmp_path, SAXPY, changing), tmp_path / "cache")
    assert done.stdout.strip() == "GY102", done.stderr
