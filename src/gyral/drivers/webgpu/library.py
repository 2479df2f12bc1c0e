"""The one place that loads wgpu, and keeps it and what lies below it quiet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from gyral.core import entry, settings
from gyral.core.errors import DeviceError, DeviceErrorKind, UnsupportedError

NEEDED = "0.32."
_BACKENDS = ("Vulkan", "Metal", "DX12")


@cache
def wgpu() -> ModuleType:
    """The package. UnsupportedError names the extra when it is missing or of another version."""
    try:
        import wgpu as found  # noqa: PLC0415  optional, and loaded when a WebGPU device is asked for
    except (ImportError, RuntimeError, OSError) as error:
        raise UnsupportedError(
            f"WebGPU devices need the package wgpu ({error}); install it by: pip install gyral[webgpu]"
        ) from error
    if not found.__version__.startswith(NEEDED):
        raise UnsupportedError(
            f"WebGPU devices need wgpu {NEEDED}x, and {found.__version__} is installed; "
            "install the right one by: pip install gyral[webgpu]"
        )
    # Its errors reach the caller as exceptions; without a handler Python would print them as well.
    logging.getLogger("wgpu").addHandler(logging.NullHandler())
    return found


@cache
def native() -> Any:
    """The module of wgpu's native calls: `ffi`, `lib` and `error_handler`."""
    wgpu()
    return entry.load("wgpu.backends.wgpu_native._api:__dict__")


@cache
def adapters() -> tuple[Any, ...]:
    """The adapters of this machine, those of real GPUs first."""
    package = wgpu()
    with _quiet():
        try:
            # The OpenGL twins of adapters have no use here, and looking for them prints to stderr.
            entry.load("wgpu.backends.wgpu_native.extras:set_instance_extras")(backends=_BACKENDS)
        except RuntimeError:
            pass  # Somebody else in this process was first; their choice stands.
        found = package.gpu.enumerate_adapters_sync()
    known = [a for a in found if a.info["backend_type"] in ("Vulkan", "Metal", "D3D12")]
    order = ("DiscreteGPU", "IntegratedGPU", "unknown", "CPU")
    return tuple(sorted(known, key=lambda a: _rank(order, a.info["adapter_type"])))


def request_device(adapter: Any, features: tuple[str, ...]) -> Any:
    """A device of an adapter with all its limits. DeviceError of kind RESOURCE when it has none to give."""
    try:
        with _quiet():
            return adapter.request_device_sync(required_features=list(features))
    except RuntimeError as error:
        raise DeviceError(
            f"{adapter.info['device']} gives no device: {error}", DeviceErrorKind.RESOURCE
        ) from error


def translated(message: str, kind: str = "") -> DeviceError:
    """An error of wgpu as ours. `kind` is wgpu's word for it."""
    text = message.strip()
    if "is lost" in text or "device lost" in text.lower():
        return DeviceError(f"the WebGPU device was lost: {text}", DeviceErrorKind.FATAL)
    if "OutOfMemory" in kind or "not enough memory" in text.lower():
        return DeviceError(f"the WebGPU device is out of memory: {text}", DeviceErrorKind.RESOURCE)
    if "Internal" in kind:
        return DeviceError(f"the WebGPU driver failed: {text}", DeviceErrorKind.FATAL)
    return DeviceError(f"WebGPU refuses: {text}", DeviceErrorKind.PROGRAMMER)


@contextmanager
def catching() -> Iterator[None]:
    """Raise what wgpu complains about inside as DeviceError."""
    handler = native()["error_handler"]
    handler.capture("gyral")
    failed = True
    try:
        yield
        failed = False
    except wgpu().GPUError as error:
        raise translated(str(error), type(error).__name__) from error
    finally:
        found = handler.release("gyral")
        if found is not None and not failed:
            raise translated(found[1], str(found[0]))


def _rank(order: tuple[str, ...], word: str) -> int:
    return order.index(word) if word in order else 2


def _quiet() -> Any:
    # libwayland, which Mesa asks for a display, prints an error where no directory is named.
    return settings.supplied("XDG_RUNTIME_DIR", "/")
