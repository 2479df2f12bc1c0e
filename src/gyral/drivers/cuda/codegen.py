"""CUDA C++ to machine code, through NVRTC: the one file that imports `cuda.bindings`.

It needs neither a device nor a driver. Importing this file loads the compiler, so that the launch path
reaches it only when nothing is cached.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gyral.core.errors import InternalError, UnsupportedError

try:
    nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")
except ImportError as error:
    nvrtc = None
    _missing = str(error)
else:
    _missing = ""

OLDEST = "sm_75"
"""The architecture compiled for when nobody names one."""
_ARCHITECTURE = re.compile(r"sm_(\d+)([af]?)")
# What `--ptxas-options=-v` says of a kernel, by the name under which an artifact keeps it.
_REPORT = {
    "registers": r"Used (\d+) registers",
    "shared_bytes": r"(\d+) bytes smem",
    "stack_bytes": r"(\d+) bytes stack frame",
    "spill_store_bytes": r"(\d+) bytes spill stores",
    "spill_load_bytes": r"(\d+) bytes spill loads",
    "barriers": r"used (\d+) barriers",
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """Code for an architecture, as `cuModuleLoadData` takes it, and what the compiler reports of it.

    `resources`: registers, shared_bytes, stack_bytes, spill_store_bytes, spill_load_bytes, barriers; empty
    when the driver has the last word, because the code is PTX.
    """

    code: bytes
    architecture: str
    resources: dict[str, int] = field(default_factory=dict)


def assemble(text: str, features: Sequence[str], *, fastmath: bool = False, entry: str) -> Compiled:
    """Compile a translation unit for the architecture among the features.

    Where the compiler is older than the device, the newest architecture of its generation that it knows is
    taken, whose code the device runs; without one, PTX, which the driver translates.
    """
    wanted = wanted_architecture(features)
    number = int(_parts(wanted)[0])
    known = _known()
    if number in known:
        return _cubin(text, wanted, fastmath, entry)
    older = [n for n in known if n < number]
    if not older:
        raise UnsupportedError(
            f"the device is of architecture {wanted}, and this NVRTC ({_version()}) compiles for "
            f"sm_{min(known)} and newer; install an older nvidia-cuda-nvrtc"
        )
    if older[-1] // 10 == number // 10:
        return _cubin(text, f"sm_{older[-1]}", fastmath, entry)
    return Compiled(_compiled(text, f"compute_{older[-1]}", fastmath)[0], wanted)


def intermediate(text: str, features: Sequence[str], *, fastmath: bool = False) -> str:
    """The PTX of a translation unit, for reading."""
    number, suffix = _parts(wanted_architecture(features))
    code, _ = _compiled(text, f"compute_{number}{suffix}", fastmath)
    return code.rstrip(b"\0").decode()


def wanted_architecture(features: Sequence[str]) -> str:
    """The architecture among the features, such as "sm_90a"."""
    return next((word for word in features if _ARCHITECTURE.fullmatch(word)), OLDEST)


def _cubin(text: str, architecture: str, fastmath: bool, entry: str) -> Compiled:
    code, log = _compiled(text, architecture, fastmath)
    return Compiled(code, architecture, report(log, entry))


def report(log: str, entry: str) -> dict[str, int]:
    """What the assembler's log says of a kernel."""
    _, _, part = log.partition(f"Compiling entry function '{entry}'")
    part = part.partition("Compiling entry function")[0]
    found = {name: re.search(pattern, part) for name, pattern in _REPORT.items()}
    return {name: int(match[1]) if match else 0 for name, match in found.items()} if part else {}


def _compiled(text: str, architecture: str, fastmath: bool) -> tuple[bytes, str]:
    _require()
    options = [
        f"--gpu-architecture={architecture}",
        "--std=c++17",
        "-default-device",
        f"--fmad={'true' if fastmath else 'false'}",
        f"--prec-div={'false' if fastmath else 'true'}",
    ]
    if architecture.startswith("sm_"):
        options.append("--ptxas-options=-v")
    made = _checked(nvrtc.nvrtcCreateProgram(text.encode(), b"gyral.cu", 0, None, None), "nvrtcCreateProgram")
    try:
        (status,) = nvrtc.nvrtcCompileProgram(made, len(options), [option.encode() for option in options])
        log = _text(made, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise InternalError(f"NVRTC refuses the text the emitter printed ({status.name}):\n{log}")
        if architecture.startswith("sm_"):
            code = _bytes(made, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
        else:
            code = _bytes(made, nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
        return code, log
    finally:
        nvrtc.nvrtcDestroyProgram(made)


def _bytes(made: Any, size_of: Any, get: Any) -> bytes:
    size = _checked(size_of(made), size_of.__name__)
    # One byte more than is written: a text of one byte would be the interpreter's only object of its value.
    found = b" " * (size + 1)
    _checked(get(made, found), get.__name__)
    return found[:size]


def _text(made: Any, size_of: Any, get: Any) -> str:
    return _bytes(made, size_of, get).rstrip(b"\0").decode(errors="replace")


def _checked(result: tuple[Any, ...], call: str) -> Any:
    status, *values = result
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise InternalError(f"{call} failed with {status.name}")
    return values[0] if values else None


@cache
def _known() -> list[int]:
    """The architectures this NVRTC makes machine code for, oldest first."""
    _require()
    return sorted(_checked(nvrtc.nvrtcGetSupportedArchs(), "nvrtcGetSupportedArchs"))


def _version() -> str:
    status, major, minor = nvrtc.nvrtcVersion()
    return f"{major}.{minor}" if status == nvrtc.nvrtcResult.NVRTC_SUCCESS else "of unknown version"


def _parts(architecture: str) -> tuple[str, str]:
    match = _ARCHITECTURE.fullmatch(architecture)
    if match is None:
        raise InternalError(f"{architecture!r} names no CUDA architecture")
    return match[1], match[2]


def _require() -> None:
    """Raise UnsupportedError when the compiler is not there."""
    reason = _missing
    if nvrtc is not None:
        try:
            nvrtc.nvrtcVersion()
            return
        except (RuntimeError, OSError) as error:  # the package is there, the library it loads is not
            reason = str(error).partition("\n")[0]
    raise UnsupportedError(
        f"compiling for CUDA needs NVRTC, which is not there ({reason}); pip install gyral[cuda]"
    )
