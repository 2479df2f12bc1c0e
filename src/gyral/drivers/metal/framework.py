"""Apple's Metal framework as PyObjC shows it: asked for late, and quietly absent elsewhere."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

from gyral.core.errors import UnsupportedError


def present() -> bool:
    """Whether this is a Mac with PyObjC's Metal bindings."""
    return sys.platform == "darwin" and find_spec("Metal") is not None


def load() -> Any:
    """PyObjC's `Metal` module. UnsupportedError names what is missing."""
    if sys.platform != "darwin":
        raise UnsupportedError("Metal runs on macOS alone; choose another device")
    try:
        import Metal  # noqa: PLC0415  optional
    except ImportError as error:
        raise UnsupportedError("Metal needs PyObjC: pip install 'gyral[metal]'") from error
    return Metal


def autorelease_pool() -> AbstractContextManager[Any]:
    """A pool in which Objective-C's short-lived objects die; nothing where there is no Objective-C."""
    objc = sys.modules.get("objc")
    return nullcontext() if objc is None else objc.autorelease_pool()


def devices(metal: Any) -> list[Any]:
    """All devices, the system's default one first."""
    default = metal.MTLCreateSystemDefaultDevice()
    if default is None:
        return []
    others = [d for d in metal.MTLCopyAllDevices() if d.registryID() != default.registryID()]
    return [default, *others]
