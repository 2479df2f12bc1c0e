"""What a new process pays for Gyral, told as one line of JSON. Run by first_launch.py.

python first_launch_probe.py import | launch | memory
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

_start = time.perf_counter()
import gyral as gy  # noqa: E402  (its import is what is timed)

IMPORTED = time.perf_counter() - _start

SMALL, LARGE = 1 << 20, 1 << 24


@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


def arrays(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors whose pages are all in memory."""
    return np.ones(length, np.float32), np.full(length, 3, np.float32)


def loaded(prefix: str) -> list[str]:
    """The modules in memory whose names start with `prefix`."""
    return sorted(name for name in sys.modules if name.startswith(prefix))


def importing() -> dict[str, object]:
    """Seconds that `import gyral` took after `import numpy`, and what it loaded that it should not."""
    return {"seconds": IMPORTED, "loaded": loaded("gyral.compiler") + loaded("llvmlite")}


def launching() -> dict[str, object]:
    """Seconds of the first and second launch, and whether the first one loaded LLVM."""
    x, y = arrays(SMALL)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        saxpy[x.size](2.0, x, y)
        times.append(time.perf_counter() - start)
    right = bool((y == 3 + 2 * 2.0).all())
    return {"first": times[0], "second": times[1], "llvm": bool(loaded("llvmlite")), "right": right}


def status(field: str) -> int:
    """A field of this process's status, in bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition(f"{field}:")[2].split()[0])


def peak_of(work: Callable[[], object]) -> int:
    """Bytes by which `work` raises the memory in use, at its highest."""
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work()
    return max(0, status("VmHWM") - before)


def remembering() -> dict[str, object]:
    """Extra memory of a launch over 128 MiB of arrays, once the kernel is compiled and the threads are up."""
    x, y = arrays(LARGE)
    saxpy[x.size](2.0, x, y)
    return {"bytes": peak_of(lambda: saxpy[x.size](2.0, x, y)), "arrays": x.nbytes + y.nbytes}


if __name__ == "__main__":
    tell = {"import": importing, "launch": launching, "memory": remembering}[sys.argv[1]]
    print(json.dumps(tell()))
