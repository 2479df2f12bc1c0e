"""Opening CUDA devices, what they can do, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fake_cuda import FakeCuda, artifact, opened, path, signature

from gyral.core import driver as powers
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError
from gyral.drivers.cuda import failures, session
from gyral.drivers.cuda.driver import CudaDriver, open_cuda
from gyral.drivers.cuda.identity import count, identity
from gyral.drivers.cuda.library import Library


@pytest.fixture
def fake() -> FakeCuda:
    """The stand-in, as new."""
    return FakeCuda()


@pytest.fixture
def driver(fake: FakeCuda) -> Iterator[CudaDriver]:
    """A device of the stand-in."""
    with opened() as made:
        yield made


def test_without_a_driver_there_is_no_device() -> None:
    """Counting says nothing, and opening says what is missing."""
    assert count("libcuda-that-is-not-there.so") == 0
    with pytest.raises(UnsupportedError, match="there is no CUDA driver here"):
        open_cuda(0, "libcuda-that-is-not-there.so")


def test_an_old_driver_is_refused(fake: FakeCuda) -> None:
    """The message names its version and the one that is needed."""
    fake.set(version=11080)
    with pytest.raises(UnsupportedError, match=r"version 11\.8.*needs 12\.0 or newer"):
        Library(path())


def test_another_library_is_no_driver() -> None:
    """What lacks the driver's functions is not called."""
    with pytest.raises(UnsupportedError, match="no whole CUDA driver: it lacks functions such as cuInit"):
        Library("libm.so.6")


def test_devices_are_counted(fake: FakeCuda) -> None:
    """As many as the driver says; none when it does not start."""
    assert count(path()) == 2
    fake.fail("cuInit", 999)
    assert count(path()) == 0


def test_a_device_that_is_not_there_is_refused(fake: FakeCuda) -> None:
    """The message says which there are."""
    with pytest.raises(UnsupportedError, match="no device cuda:2: there are 2, cuda:0 to cuda:1"):
        open_cuda(2, path())


def test_a_machine_without_devices_is_refused(fake: FakeCuda) -> None:
    """A driver without a device says so."""
    fake.fail("cuInit", 100)
    with pytest.raises(UnsupportedError, match="CUDA_VISIBLE_DEVICES"):
        open_cuda(0, path())


def test_devices_are_named_by_number(fake: FakeCuda) -> None:
    """The first one is plain cuda."""
    with opened(0) as first, opened(1) as second:
        assert (first.name, second.name) == ("cuda", "cuda:1")


def test_capabilities_are_read_from_the_device(fake: FakeCuda) -> None:
    """Limits, architecture and sizes are the device's own."""
    fake.attribute(75, 8)
    fake.attribute(76, 6)
    with opened() as driver:
        caps = driver.capabilities
    assert (caps.features, caps.max_block, caps.units) == (("sm_86",), 1024, 132)
    assert (caps.max_grid, caps.shared_bytes) == ((2147483647, 65535, 65535), 232448)
    assert (caps.register_limit, caps.unit_threads, caps.unit_shared_bytes) == (255, 2048, 233472)
    assert (caps.unified, caps.separate_buffers, caps.subgroup_sizes) == (False, False, (32,))


@pytest.mark.parametrize(
    "power",
    [
        powers.NativeLaunches,
        powers.Timing,
        powers.HostMemory,
        powers.DeviceCopies,
        powers.PeerCopies,
        powers.External,
        powers.Deadlines,
        powers.Graphs,
    ],
)
def test_the_driver_has_its_powers(driver: CudaDriver, power: type) -> None:
    """Each optional protocol that CUDA can serve is served."""
    assert isinstance(driver, power)


def test_the_caller_s_context_comes_back(fake: FakeCuda) -> None:
    """What another library made current in the thread is current again after our calls."""
    with opened(0) as first, opened(1) as second, first.session:
        second.free(second.allocate(64))
        fake.listen()
        first.session.call("cuCtxSynchronize")  # which fails without a context
        assert fake.heard() == ["cuCtxSynchronize"]


@pytest.mark.parametrize(
    "code, kind",
    [
        (1, DeviceErrorKind.PROGRAMMER),
        (2, DeviceErrorKind.RESOURCE),
        (46, DeviceErrorKind.TRANSIENT),
        (700, DeviceErrorKind.PROGRAMMER),
        (701, DeviceErrorKind.RESOURCE),
        (702, DeviceErrorKind.TRANSIENT),
        (716, DeviceErrorKind.PROGRAMMER),
        (719, DeviceErrorKind.PROGRAMMER),
        (802, DeviceErrorKind.TRANSIENT),
        (214, DeviceErrorKind.FATAL),
        (999, DeviceErrorKind.FATAL),
        (12345, DeviceErrorKind.FATAL),
    ],
)
def test_a_code_has_a_kind(code: int, kind: DeviceErrorKind) -> None:
    """Whoever handles a failure learns whether waiting, freeing or fixing helps."""
    found = failures.failure("cuda", "cuStreamQuery", code, ("CUDA_ERROR", "words"))
    assert isinstance(found, DeviceError)
    assert found.kind is kind


@pytest.mark.parametrize("code", [34, 100, 209, 222, 801, 803])
def test_a_code_may_mean_that_something_is_not_offered(code: int) -> None:
    """Such a failure is no failure of the device."""
    assert isinstance(failures.failure("cuda", "cuInit", code, ("CUDA_ERROR", "")), UnsupportedError)


def test_a_fork_is_named_as_the_reason() -> None:
    """What the driver calls not initialised happens to forked children."""
    assert isinstance(failures.failure("cuda", "cuInit", 3, ("CUDA_ERROR", "")), StateError)


def test_an_unknown_code_is_shown_as_a_number(fake: FakeCuda, driver: CudaDriver) -> None:
    """A driver newer than us may give codes that we have no name for."""
    fake.fail("cuCtxSynchronize", 12345, times=1)
    with (
        driver.session as opened_session,
        pytest.raises(DeviceError, match="failed with CUresult 12345"),
    ):
        opened_session.call("cuCtxSynchronize")


def test_a_lost_device_stays_lost_until_it_is_closed(fake: FakeCuda) -> None:
    """The first error says why, later ones that it was lost, and closing resets it for whoever is next."""
    driver = open_cuda(0, path())
    queue = driver.queue()
    driver.launch(queue, driver.load(artifact(signature(0))), powers.Launch((1,), []))
    fake.lose(700)
    with pytest.raises(DeviceError, match="check=True") as first:
        driver.wait(driver.mark(queue))
    with pytest.raises(DeviceError, match="lost by an earlier failure") as second:
        driver.allocate(64)
    driver.close()
    assert (first.value.kind, second.value.kind) == (DeviceErrorKind.PROGRAMMER, DeviceErrorKind.FATAL)
    assert fake.calls("cuDevicePrimaryCtxReset_v2") == 1
    with opened() as again:
        again.free(again.allocate(64))


def test_a_device_that_cannot_be_reset_says_so(fake: FakeCuda) -> None:
    """Nothing but a new process helps then."""
    driver = open_cuda(0, path())
    driver.session.lost = "a test"
    fake.fail("cuDevicePrimaryCtxReset_v2", 999, times=1)
    with pytest.raises(
        DeviceError, match=r"could not be reset \(CUDA_ERROR_UNKNOWN\); start the process anew"
    ):
        driver.close()


def test_closing_gives_everything_back(fake: FakeCuda) -> None:
    """No stream, event or pool of ours is left, and the context has one user less."""
    kinds = ("stream", "event", "pool")
    before = [fake.live(kind) for kind in kinds]
    driver = open_cuda(0, path())
    driver.copy_in(None, driver.allocate(8).address, memoryview(bytes(8)))
    held = driver.queue(), driver.timed_mark(driver.queue())
    driver.close()
    driver.close()
    assert [fake.live(kind) for kind in kinds] == [before[0], before[1] + 1, before[2]]
    del held


def test_a_closed_device_is_not_used(fake: FakeCuda) -> None:
    """Each call says that it was closed."""
    driver = open_cuda(0, path())
    driver.close()
    with pytest.raises(StateError, match="cuda is closed"):
        driver.allocate(64)


def test_a_forked_child_is_told_to_spawn(fake: FakeCuda) -> None:
    """In the child nothing is waited for, freed or reset, and using the device explains itself."""
    driver = open_cuda(0, path())
    memory, queue = driver.allocate(64), driver.queue()
    driver.launch(queue, driver.load(artifact(signature(0))), powers.Launch((1,), []))
    session._after_fork()
    driver.wait(driver.mark(queue))
    driver.free(memory)
    with pytest.raises(StateError, match='"spawn"'):
        driver.allocate(64)
    driver.close()
    assert fake.memory_used >= 64


def test_the_identity_follows_the_compiler() -> None:
    """It is the same each time, and names the compiler's files or their absence."""
    assert identity() == identity()
    assert identity().startswith("cuda ")
