"""What a program needs of a device, and what the device says to that."""

from __future__ import annotations

from collections.abc import Mapping

from gyral.core.artifact import ALIGNED, FOLDED
from gyral.core.errors import UnsupportedError
from gyral.drivers.webgpu.program import Program

_BLOCK = "launch it with a smaller block="
_ARRAYS = "give it fewer arrays, or several rows of one array"


def require_fit(device: str, program: Program, limits: Mapping[str, int], features: tuple[str, ...]) -> None:
    """UnsupportedError names the first of a program's needs that is beyond a device's limits."""
    signature = program.signature
    z, y, x = signature.threads
    needs = (
        ("threads in a block", x * y * z, "max-compute-invocations-per-workgroup", _BLOCK),
        ("threads along a block's last axis", x, "max-compute-workgroup-size-x", _BLOCK),
        ("threads along a block's middle axis", y, "max-compute-workgroup-size-y", _BLOCK),
        ("threads along a block's first axis", z, "max-compute-workgroup-size-z", _BLOCK),
        (
            "bytes of shared memory per block",
            signature.shared_bytes,
            "max-compute-workgroup-storage-size",
            "use smaller shared arrays or smaller blocks",
        ),
        ("buffers at a time", len(program.written), "max-storage-buffers-per-shader-stage", _ARRAYS),
        ("bytes of arguments", program.size, "max-uniform-buffer-binding-size", _ARRAYS),
    )
    for what, needed, limit, advice in needs:
        if needed > limits[limit]:
            raise UnsupportedError(
                f"{signature.name} needs {needed} {what}, and {device} has {limits[limit]}; {advice}"
            )
    lacking = [word for word in signature.options.features if word not in (*features, ALIGNED, FOLDED)]
    if lacking:
        raise UnsupportedError(
            f"{signature.name} was compiled for a device with {', '.join(lacking)}, which {device} lacks"
        )
    if signature.options.index_bits != 32:
        raise UnsupportedError(
            f"{signature.name} was compiled for arrays of 2**31 elements or more; {device} counts in 32 bits"
        )
