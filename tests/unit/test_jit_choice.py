"""Where a kernel says it runs: `devices`, `fallback` and `requires`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.caps import Capabilities
from gyral.core.errors import UnsupportedError, UserError
from gyral.core.events import Event, FellBack, listening
from gyral.jit import choice
from gyral.runtime.device import Device


def add_one(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = x[i] + 1.0


def halve(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = gy.f32(gy.f64(x[i]) * 0.5)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which no device of kind "metal" and no second null device is to be had."""
    missing = {"metal": "there is no GPU", "null:1": "there is no second one"}
    monkeypatch.setattr(choice, "_missing", missing)


@pytest.fixture
def poor() -> Iterator[Device]:
    """The null device without f64 and without subgroups."""
    device = gy.device("null")
    rich = device.driver.capabilities
    device.driver.capabilities = Capabilities(dtypes=rich.dtypes - {gy.f64}, streams=True)  # type: ignore[misc]
    yield device
    device.driver.capabilities = rich  # type: ignore[misc]


def events_of(launch: Callable[[], Any]) -> list[FellBack]:
    """The falls that a launch tells of."""
    seen: list[Event] = []
    with listening(seen.append):
        launch()
    return [event for event in seen if isinstance(event, FellBack)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"devices": ["gpu"]}, "'gpu', which is no device"),
        ({"devices": "cuda"}, "is a list"),
        ({"devices": []}, "names no device"),
        ({"devices": ["cuda:x"]}, "'cuda:x', which is no device"),
        ({"fallback": "gpu"}, "fallback names 'gpu'"),
        ({"devices": ["cpu"], "fallback": "cpu"}, "no fallback"),
        ({"requires": ["f63"]}, "requires names 'f63'"),
        ({"requires": [3]}, "requires names 3"),
        ({"requires": gy.f64}, "is a list"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_definition(options: dict[str, Any], says: str) -> None:
    """Unknown devices and types, and a fallback that is none, are told when the kernel is defined."""
    with pytest.raises(UserError, match=says):
        gy.kernel(**options)(add_one)


@pytest.mark.usefixtures("absent")
def test_the_first_device_that_is_here_takes_launches_without_a_device() -> None:
    """Preferences are tried in order, and the one that is found is no fall."""
    kernel = gy.kernel(devices=["metal", "null", "cpu"])(add_one)
    launches: list[Any] = gy.device("null").driver.launches  # type: ignore[attr-defined]
    before = len(launches)
    assert events_of(lambda: kernel[4](np.zeros(4, np.float32))) == []
    assert len(launches) == before + 1


@pytest.mark.usefixtures("absent")
def test_each_fall_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Every launch on the fallback is an event and a warning, the second and the bound one too."""
    kernel = gy.kernel(devices=["metal"], fallback="cpu")(add_one)
    x = np.zeros(4, np.float32)
    with caplog.at_level(logging.WARNING, "gyral"):
        falls = events_of(lambda: (kernel[4](x), kernel[4](x)))
        bound = kernel.bind(4, x)
        falls += events_of(bound)
    np.testing.assert_array_equal(x, 3)
    assert falls == [FellBack("add_one", ("metal",), "cpu", "metal: there is no GPU")] * 3
    assert caplog.messages.count("add_one runs on cpu, not on metal: metal: there is no GPU") == 4


@pytest.mark.usefixtures("absent")
def test_without_a_fallback_the_launch_is_refused() -> None:
    """The error names every device and why it will not do."""
    kernel = gy.kernel(devices=["metal", "null:1"])(add_one)
    with pytest.raises(UnsupportedError, match=r"(?s)metal: there is no GPU.*null:1: there is no second"):
        kernel[4](np.zeros(4, np.float32))


def test_a_device_that_lacks_a_required_type_is_passed_over(poor: Device) -> None:
    """The reason names the device, the type, and the line of the kernel that needs it."""
    kernel = gy.kernel(devices=["null"], fallback="cpu", requires=[gy.f64])(halve)
    x = np.full(4, 8, np.float32)
    (fall,) = events_of(lambda: kernel[4](x))
    np.testing.assert_array_equal(x, 4)
    line = halve.__code__.co_firstlineno + 2
    assert fall.reason == (f"null has no f64, needed at {__file__}:{line}: x[i] = gy.f32(gy.f64(x[i]) * 0.5)")


def test_a_named_device_that_lacks_a_required_type_is_an_error(poor: Device) -> None:
    """Who names a device gets it or an error, never the fallback."""
    kernel = gy.kernel(devices=["null"], fallback="cpu", requires=[gy.f64])(halve)
    with poor, pytest.raises(UnsupportedError, match="cannot run on null: it has no f64, needed at"):
        kernel[4](np.zeros(4, np.float32))
    with pytest.raises(UnsupportedError, match="it has no f64"):
        kernel[4](gy.zeros(4, gy.f32, device=poor))


def test_what_no_line_shows_is_told_with_the_kernel_s_own(poor: Device) -> None:
    """A requirement that the code does not use names the line of the definition."""
    kernel = gy.kernel(requires=["subgroups"])(add_one)
    line = add_one.__code__.co_firstlineno
    with pytest.raises(UnsupportedError, match=f"has no subgroups, needed at {__file__}:{line}"):
        kernel.launch(4, np.zeros(4, np.float32), device=poor)


def test_a_kernel_goes_only_where_it_says() -> None:
    """Sent elsewhere it is refused, by a launch and by a compilation."""
    kernel = gy.kernel(devices=["metal"], fallback="null")(add_one)
    with pytest.raises(UnsupportedError, match="runs on metal, null as a fallback, and was sent to cpu"):
        kernel.launch(4, np.zeros(4, np.float32), device="cpu")
    with pytest.raises(UnsupportedError, match="sent to cpu"):
        kernel.compile("cpu")


def test_a_fallback_that_is_named_is_no_fall() -> None:
    """Nobody needs to be told of what they asked for."""
    kernel = gy.kernel(devices=["metal"], fallback="cpu")(add_one)
    x = np.zeros(4, np.float32)
    assert events_of(lambda: kernel.launch(4, x, device="cpu")) == []
    np.testing.assert_array_equal(x, 1)


def test_launches_with_a_preference_use_native_plans() -> None:
    """Where the preferred device is the CPU, the fast path is left for the launches to come."""
    kernel = gy.kernel(devices=["cpu", "null"])(add_one)
    x = np.zeros(4, np.float32)
    kernel[4](x)
    kernel[4](x)
    np.testing.assert_array_equal(x, 2)
    assert len(kernel.plans) == 1
