"""g++: plain C++ loops under OpenMP, at the compiler's own vector width and at 512 bits."""

import ctypes
import platform

from peers.binding import Port, bind
from peers.build import build, first_line, tool
from peers.case import Peer
from peers.native_calls import functions

FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
WIDTHS = {"default": []}
if platform.machine() in ("x86_64", "AMD64"):
    WIDTHS["512"] = ["-mprefer-vector-width=512"]


def start(threads: int, variant: str) -> Peer:
    """Compile for this machine."""
    compiler = tool("g++")
    forms = {}
    for width, flags in WIDTHS.items():
        command = [compiler, *FLAGS, *flags, "kernels.cpp", "-o", "{out}"]
        library = ctypes.CDLL(str(build(f"cpp-{width}", [command], ["kernels.cpp"])))
        forms[f"{width} width"] = functions(library, "nbody_inner")
        forms[f"{width} width, lanes over bodies"] = {"nbody": functions(library, "nbody_outer")["nbody"]}
    return bind(first_line([compiler, "--version"]), Port(number=float), forms)
