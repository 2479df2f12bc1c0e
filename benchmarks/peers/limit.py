"""The machine itself: memory traffic at each problem's size and pattern, and multiply-adds in registers.

Under a problem's name stands its memory limit, under "multiply_add" that of arithmetic; both are compiled C.
"""

import ctypes
import platform

import numpy as np

from peers.build import build, first_line, tool
from peers.case import Case, Peer
from peers.native_calls import at
from problems import PROBLEMS, Problem

OPERATIONS = 1 << 30  # of the arithmetic limit, per thread and run
STREAMS = {"triad": 3, "copy": 2, "read": 1}  # arrays whose elements a pattern moves
HELD = {"triad": 2, "copy": 2, "read": 1}  # arrays that make up its working set


def elements(problem: Problem) -> int:
    """The length of each array of the limit's pattern, at the working set of `problem`."""
    return problem.footprint // (4 * HELD[problem.pattern]) // 1024 * 1024


def traffic(problem: Problem) -> int:
    """Bytes one run of the memory limit of `problem` moves."""
    return 4 * STREAMS[problem.pattern] * elements(problem)


def _aligned(count: int) -> np.ndarray:
    """A vector of ones that starts at a 64-byte boundary, as streaming stores need."""
    room = np.ones(count + 16, np.float32)
    first = (-room.ctypes.data % 64) // 4
    return room[first : first + count]


def _memory(library: ctypes.CDLL, problem: Problem) -> list[Case]:
    count = elements(problem)
    arrays = [_aligned(count) for _ in range(STREAMS[problem.pattern])]
    names = {"triad": ["triad", "triad_streaming"], "copy": ["copy", "copy_streaming"], "read": ["read_all"]}
    calls = [(name, [*map(at, arrays), ctypes.c_long(count)], arrays) for name in names[problem.pattern]]
    if problem.pattern == "triad":
        calls.append(("update", [at(arrays[0]), at(arrays[2]), ctypes.c_long(count)], arrays))

    def case(name: str, arguments: list, kept: list[np.ndarray]) -> Case:
        function = getattr(library, name)
        return Case(name, lambda: function(*arguments), lambda: tuple(kept))

    return [case(*call) for call in calls]


def _multiply_add(library: ctypes.CDLL) -> list[Case]:
    sink = ctypes.c_float(0)

    def run() -> None:
        library.multiply_add(ctypes.c_long(OPERATIONS), ctypes.byref(sink))

    return [Case("multiply-add", run, tuple)]


def start(threads: int, variant: str) -> Peer:
    """Compile the loops for this machine."""
    compiler = tool("gcc")
    flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
    if platform.machine() in ("x86_64", "AMD64"):
        flags.append("-mprefer-vector-width=512")
    library = ctypes.CDLL(str(build("limits", [[compiler, *flags, "limits.c", "-o", "{out}"]], ["limits.c"])))
    library.read_all.restype = ctypes.c_float
    cases = {
        name: (lambda problem=problem: _memory(library, problem))
        for name, problem in PROBLEMS.items()
        if problem.footprint
    }
    cases["multiply_add"] = lambda: _multiply_add(library)
    return Peer(first_line([compiler, "--version"]), cases, checked=False)
