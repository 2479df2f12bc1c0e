"""Which OpenCL devices are found, what they can do and what their errors mean, on made-up platforms."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError
from gyral.drivers.opencl import capabilities, failures, identity, platforms
from gyral.drivers.opencl.memory import Memories

FULL = "cl_khr_fp64 cl_khr_fp16 cl_khr_int64_base_atomics cl_khr_int64_extended_atomics"


class Error(Exception):
    """What the made-up binding raises."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


@dataclass
class Device:
    """A device as pyopencl describes one; by default a GPU that has everything."""

    name: str = "gpu"
    type: int = 4
    version: str = "OpenCL 3.0 made up"
    available: bool = True
    compiler_available: bool = True
    endian_little: bool = True
    extensions: str = FULL
    double_fp_config: int = 63
    single_fp_config: int = 191
    max_work_group_size: int = 1024
    local_mem_size: int = 48 << 10
    global_mem_size: int = 8 << 30
    max_mem_alloc_size: int = 2 << 30
    max_compute_units: int = 20
    address_bits: int = 64
    platform: Any = field(default_factory=lambda: SimpleNamespace(name="made up"))


@dataclass
class Platform:
    """A platform with devices, or with an error in their place."""

    devices: list[Device] = field(default_factory=list)
    code: int = 0

    def get_devices(self) -> list[Device]:
        if self.code:
            raise Error(self.code)
        return self.devices


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put made-up platforms in the place of this machine's; an int is the error that listing them ends in."""

    def put(*found: Any) -> None:
        def listed() -> list[Any]:
            if isinstance(found[0], int):
                raise Error(found[0])
            return list(found)

        kinds = SimpleNamespace(GPU=4, ACCELERATOR=8)
        binding = SimpleNamespace(get_platforms=listed, Error=Error, device_type=kinds)
        monkeypatch.setattr(platforms, "binding", lambda: binding)
        platforms._found.cache_clear()

    yield put
    platforms._found.cache_clear()


def test_gpus_come_first(install: Callable[..., None]) -> None:
    """Devices of all platforms have numbers: GPUs, accelerators, then processors, each in their order."""
    install(
        Platform([Device("cpu", 2), Device("one", 4)]),
        Platform([Device("card", 8)]),
        Platform([Device("two", 4)]),
    )
    assert [device.name for device in platforms.found()] == ["one", "two", "card", "cpu"]
    assert identity.count() == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"available": False},
        {"compiler_available": False},
        {"endian_little": False},
        {"version": "OpenCL 1.1 old"},
    ],
)
def test_devices_that_cannot_run_kernels_are_left_out(
    install: Callable[..., None], changes: dict[str, Any]
) -> None:
    """A device that is away, compiles nothing, has other bytes or an OpenCL before 1.2 is none."""
    install(Platform([Device(**changes), Device("good")]))
    assert [device.name for device in platforms.found()] == ["good"]


def test_platforms_without_devices_are_passed_over(install: Callable[..., None]) -> None:
    """A platform that ends in an error hides none of the others."""
    install(Platform(code=-1), Platform([Device("good")]))
    assert identity.count() == 1


def test_no_driver_is_no_device(install: Callable[..., None]) -> None:
    """Where the loader finds no driver there are no devices, and opening one says what to install."""
    install(-1001)
    assert identity.count() == 0
    with pytest.raises(UnsupportedError, match=r"install gyral\[opencl\]"):
        platforms.pick(0)


def test_a_number_too_high_names_those_there_are(install: Callable[..., None]) -> None:
    """opencl:2 with two devices lists the two."""
    install(Platform([Device("one"), Device("two")]))
    with pytest.raises(UnsupportedError, match="there is no opencl:2; there is opencl:0 one, opencl:1 two"):
        platforms.pick(2)


def test_without_pyopencl_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package counts no devices, and asking for one names the extra."""
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    platforms._found.cache_clear()
    assert identity.count() == 0
    with pytest.raises(UnsupportedError, match=r"OpenCL needs pyopencl .*gyral\[opencl\]"):
        platforms.pick(0)
    platforms._found.cache_clear()


def test_counting_is_silent() -> None:
    """Nothing is printed when devices are counted, drivers or not; importing gyral does not load pyopencl."""
    program = (
        "import sys, gyral; assert 'pyopencl' not in sys.modules\n"
        "from gyral.drivers.opencl.identity import count; count()"
    )
    for vendors in ("", "/nonexistent"):
        done = subprocess.run(
            [sys.executable, "-c", f"import os; os.environ['OCL_ICD_VENDORS'] = {vendors!r}\n{program}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_features_are_read_from_extensions() -> None:
    """Each extension gives its feature; 64-bit atomics need both of theirs."""
    assert capabilities.features_of(Device()) == ("f16", "f64", "fma", "i64_atomics")
    small = Device(extensions="cl_khr_int64_base_atomics", double_fp_config=0, single_fp_config=6)
    assert capabilities.features_of(small) == ()


def test_capabilities_follow_the_device() -> None:
    """Sizes are the device's; what it lacks is in neither types nor atomics."""
    full = capabilities.capabilities_of(Device())
    assert (full.max_block, full.shared_bytes, full.memory_bytes) == (1024, 48 << 10, 8 << 30)
    assert (full.units, full.max_buffer, full.ieee, full.unified) == (20, 2 << 30, True, False)
    assert {t.name for t in full.atomics} >= {"i32", "u32", "f32", "i64", "u64", "f64"}
    least = capabilities.capabilities_of(Device(extensions="", double_fp_config=0, single_fp_config=6))
    assert "f64" not in {t.name for t in least.dtypes}
    assert {t.name for t in least.atomics} & {"i64", "u64", "f64"} == set()
    assert least.ieee is False


def test_small_address_spaces_have_small_grids() -> None:
    """With 32-bit sizes the threads along an axis stay countable."""
    assert capabilities.capabilities_of(Device(address_bits=32)).max_grid[0] == (2**32 - 1) // 1024


@pytest.mark.parametrize(
    "code, kind",
    [
        (-2, DeviceErrorKind.FATAL),
        (-4, DeviceErrorKind.RESOURCE),
        (-5, DeviceErrorKind.RESOURCE),
        (-36, DeviceErrorKind.FATAL),
        (-54, DeviceErrorKind.PROGRAMMER),
        (-61, DeviceErrorKind.RESOURCE),
    ],
)
def test_codes_say_what_may_help(code: int, kind: DeviceErrorKind) -> None:
    """Each code is of the kind that tells whether freeing, fixing or reopening helps."""
    with (
        pytest.raises(DeviceError, match=f"failed to launch: code {code}") as caught,
        failures.Checked(Error, "launch"),
    ):
        raise Error(code)
    assert caught.value.kind is kind


def test_other_errors_pass_through() -> None:
    """What is not OpenCL's is raised as it is."""
    with pytest.raises(KeyError), failures.Checked(Error, "launch"):
        raise KeyError("mine")


def test_work_that_fails_on_the_device_is_fatal() -> None:
    """A negative status of queued work advises checks and a reset."""
    found = failures.broken(Error(-14), -9999)
    assert (found.kind, "status -9999" in str(found)) == (DeviceErrorKind.FATAL, True)
    assert "check=True" in str(found)


def test_addresses_come_back_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of freed memory are used again only when there are no others, and then there is an end."""
    monkeypatch.setattr("gyral.drivers.opencl.memory._MOST", 4)
    memories = Memories("card")
    first, second, third = (memories.add(None, 16) for _ in range(3))
    memories.drop(first)
    assert memories.add(None, 16).base == first.base
    assert len({first.base, second.base, third.base}) == 3
    with pytest.raises(DeviceError, match="3 allocations alive") as caught:
        memories.add(None, 16)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_freed_memory_has_no_place() -> None:
    """An address of freed memory, and one of nobody's, is a StateError."""
    memories = Memories("card")
    one = memories.add("buffer", 16)
    assert memories.place(one.base + 4, 12) == ("buffer", 4)
    memories.drop(one)
    for ask in (
        lambda: memories.place(one.base, 4),
        lambda: memories.buffer(one.base),
        lambda: memories.drop(one),
    ):
        with pytest.raises(StateError, match="freed"):
            ask()
