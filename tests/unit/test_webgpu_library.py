"""What stands between Gyral and WebGPU: a package missing or of another version, no adapter, wgpu errors."""

import sys
from types import ModuleType

import pytest

from gyral.core.errors import DeviceErrorKind, UnsupportedError
from gyral.drivers.webgpu import driver, library


def test_without_the_package_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "wgpu", None)
    with pytest.raises(UnsupportedError, match=r"need the package wgpu .*pip install gyral\[webgpu\]"):
        library.wgpu.__wrapped__()


def test_another_version_of_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its inner calls differ from version to version: the right one is named."""
    old = ModuleType("wgpu")
    old.__dict__["__version__"] = "0.19.1"
    monkeypatch.setitem(sys.modules, "wgpu", old)
    with pytest.raises(UnsupportedError, match=r"need wgpu 0\.32\.x, and 0\.19\.1 is installed; .*webgpu\]"):
        library.wgpu.__wrapped__()


def test_without_an_adapter_the_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the package and no driver is told which drivers there are."""
    monkeypatch.setattr(library, "adapters", lambda: ())
    with pytest.raises(UnsupportedError, match=r"no WebGPU adapter.*mesa-vulkan-drivers"):
        driver.open_webgpu(0)


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ("Parent device is lost", "", DeviceErrorKind.FATAL),
        ("Not enough memory left.", "GPUValidationError", DeviceErrorKind.RESOURCE),
        ("", "GPUOutOfMemoryError", DeviceErrorKind.RESOURCE),
        ("", "GPUInternalError", DeviceErrorKind.FATAL),
        ("Shader validation error", "GPUValidationError", DeviceErrorKind.PROGRAMMER),
    ],
)
def test_its_errors_say_what_may_help(text: str, word: str, kind: DeviceErrorKind) -> None:
    """By wgpu's word for an error, or by its text where the word says less."""
    assert library.translated(text, word).kind is kind
