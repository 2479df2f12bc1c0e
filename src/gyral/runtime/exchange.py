"""Taking arrays over from other libraries by DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from gyral.core.errors import UserError

_HOST = 1
_PINNED = (3, 11)


def import_dlpack(source: Any) -> np.ndarray[Any, Any]:
    """The array behind `__dlpack__`, in place. UserError names what cannot be taken and why."""
    if not hasattr(source, "__dlpack__"):
        raise UserError(f"a {type(source).__name__} does not speak DLPack")
    if hasattr(source, "__dlpack_device__"):
        kind = int(source.__dlpack_device__()[0])
        if kind != _HOST and kind not in _PINNED:
            raise UserError(f"the array lives on DLPack device type {kind}; move it to the CPU first")
    try:
        return np.from_dlpack(source)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        dtype = getattr(source, "dtype", "unknown")
        raise UserError(
            f"a {type(source).__name__} of dtype {dtype} cannot be taken over by DLPack: {error}"
        ) from error
