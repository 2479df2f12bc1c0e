"""The native module, and by themselves its pool and its mail, under both sanitizers."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "src/native"
POOL = [NATIVE / f"{name}.c" for name in ("pool", "crew", "share", "scratch", "topology")]
MAIL = [*sorted(NATIVE.glob("mail*.c")), NATIVE / "futex.c"]
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-pthread"]


def _compile(target: Path, sanitizer: str, *arguments: object) -> None:
    """Compile with gcc; skips where gcc or the sanitizer's runtime is missing."""
    probe = target.with_suffix(".c")
    probe.write_text("int main(void) { return 0; }\n")
    for flags in ([], [f"-fsanitize={sanitizer}"]):
        try:
            command = ["gcc", *flags, str(probe), "-o", str(target)]
            built = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            built = False
        if not built:
            pytest.skip(f"gcc cannot build with {' '.join(flags) or 'its own defaults'} here")
    command = ["gcc", *FLAGS, f"-fsanitize={sanitizer}", *map(str, arguments), "-o", str(target)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    "sanitizer, rounds",
    [("address,undefined", ["1500"]), ("thread", ["300", "nofork"])],
    ids=["address", "thread"],
)
def test_the_pool_under_stress_is_clean(sanitizer: str, rounds: list[str], tmp_path: Path) -> None:
    """Random launches from several threads, with stealing, interrupts and forks, raise no report."""
    driver = tmp_path / "pool_stress"
    _compile(driver, sanitizer, "-Wall", "-Wextra", "-Werror", NATIVE / "tests/pool_stress.c", *POOL)
    done = subprocess.run([driver, *rounds], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"], ids=["address", "thread"])
def test_the_mail_under_stress_is_clean(sanitizer: str, tmp_path: Path) -> None:
    """Threads that tell, ask and pause workers lose nothing and raise no report, whatever the barrier is."""
    driver = tmp_path / "mail_stress"
    # Its fences are unknown to the sanitizer; every word they order is atomic by itself.
    strict = "-Wall", "-Wextra", "-Werror", "-Wno-tsan"
    _compile(driver, sanitizer, *strict, NATIVE / "tests/mail_stress.c", *MAIL)
    for barrier in ("membarrier", "fences"):
        command = [driver, "5000", barrier]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def _runtime(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer, runtime", [("address", "libasan.so"), ("thread", "libtsan.so")])
def test_the_module_is_clean_under_its_own_tests(sanitizer: str, runtime: str, tmp_path: Path) -> None:
    """The unit tests of the module pass with every file of it instrumented."""
    package = tmp_path / "gyral"
    package.mkdir()
    (package / "__init__.py").write_text("")
    include = f"-I{sysconfig.get_paths()['include']}"
    limited = "-DPy_LIMITED_API=0x030b0000"
    module = package / "_native.abi3.so"
    _compile(module, sanitizer, "-shared", "-fPIC", limited, include, *sorted(NATIVE.glob("*.c")))
    chosen = "plan.py launch.py pool.py shape.py code.py machine.py graph.py device.py message.py".split()
    tests = [str(ROOT / f"tests/unit/test_native_{name}") for name in chosen]
    environment = os.environ | {
        "LD_PRELOAD": _runtime(runtime),
        # Python's own allocations at exit are not leaks of the module's.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "TSAN_OPTIONS": "allocator_may_return_null=1:die_after_fork=0",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    command += ["-o", "pythonpath=", "-o", "addopts=--import-mode=importlib", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
