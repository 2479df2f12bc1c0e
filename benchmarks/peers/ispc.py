"""ISPC, with its ranges shared out over OpenMP threads. The variant names the target."""

import ctypes
import platform
from pathlib import Path

from peers.binding import Port, bind
from peers.build import build, first_line, tool
from peers.case import Missing, Peer
from peers.native_calls import functions


def default_target() -> str:
    """The target the goals are set against on this machine."""
    if platform.machine() in ("aarch64", "arm64"):
        return "neon-i32x8"
    flags = Path("/proc/cpuinfo").read_text()
    return "avx512skx-x16" if "avx512dq" in flags else "avx2-i32x16"


def start(threads: int, variant: str) -> Peer:
    """Compile for the target `variant`; "target@cpu" also sets the processor it is tuned for."""
    compiler = tool("ispc")
    target, _, cpu = (variant or default_target()).partition("@")
    if target.startswith("avx512") and "avx512dq" not in Path("/proc/cpuinfo").read_text():
        raise Missing(f"this processor has no {target}")
    tuned = [f"--cpu={cpu}"] if cpu else []
    options = ["-O3", "--opt=fast-math", "--pic", f"--target={target}", *tuned]
    linking = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    commands = [
        [compiler, *options, "kernels.ispc", "-o", "{tmp}.o"],
        [tool("g++"), *linking, "threads.cpp", "{tmp}.o", "-o", "{out}"],
    ]
    library = ctypes.CDLL(str(build(f"ispc-{target}", commands, ["kernels.ispc", "threads.cpp"])))
    version = first_line([compiler, "--version"]).split("(ISPC), ")[-1]
    return bind(f"{version}, {variant or target}", Port(number=float), {target: functions(library)})
