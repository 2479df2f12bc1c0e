"""CUDA device memory, pinned host memory, and copies."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from tests.fake_cuda import FakeCuda, opened

from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, UserError
from gyral.drivers.cuda.copies import SLAB, address_of
from gyral.drivers.cuda.driver import CudaDriver
from gyral.drivers.null.driver import NullDriver


@pytest.fixture
def fake() -> FakeCuda:
    """The stand-in, as new."""
    return FakeCuda()


@pytest.fixture
def driver(fake: FakeCuda) -> Iterator[CudaDriver]:
    """A device of the stand-in."""
    with opened() as made:
        yield made


def content(driver: CudaDriver, address: int, nbytes: int) -> bytes:
    """What is in device memory."""
    found = bytearray(nbytes)
    driver.copy_out(None, memoryview(found), address)
    return bytes(found)


def test_memory_comes_from_a_pool_in_stream_order(fake: FakeCuda, driver: CudaDriver) -> None:
    """It is ready for every stream when `allocate` returns, and freeing does not wait."""
    fake.listen()
    memory = driver.allocate(1000)
    driver.free(memory)
    first, marked, last = fake.heard()
    stream = first.rpartition(" ")[2]
    assert (first, last) == (f"allocate 1000 on stream {stream}", f"free on stream {stream}")
    assert marked.endswith(f"on stream {stream}")


def test_memory_is_freed_behind_the_work_that_uses_it(fake: FakeCuda, driver: CudaDriver) -> None:
    """The stream that frees waits for the streams in the memory's marks."""
    memory, queue = driver.allocate(64), driver.queue()
    queue.put()
    memory.marks = {id(queue): driver.mark(queue)}
    fake.listen()
    driver.free(memory)
    recorded, waits, freed = fake.heard()
    event = recorded.split()[1]
    assert waits.endswith(f"waits for event {event}")
    assert freed == f"free on {waits.partition(' waits')[0]}"


def test_memory_without_pools_is_freed_when_its_work_is_done(fake: FakeCuda) -> None:
    """A device without stream-ordered memory is waited for."""
    fake.attribute(115, 0)
    with opened() as driver:
        memory, queue = driver.allocate(64), driver.queue()
        queue.put()
        memory.marks = {id(queue): driver.mark(queue)}
        fake.listen()
        driver.free(memory)
        recorded, freed = fake.heard()
    assert recorded.startswith("event")
    assert freed == "free"


def test_no_memory_left_is_told_with_sizes(fake: FakeCuda, driver: CudaDriver) -> None:
    """The error says how much was asked for and how much is free."""
    fake.memory(1 << 20)
    with pytest.raises(
        DeviceError, match=r"2097152 bytes were asked for, and 1048576 of \d+ are free"
    ) as caught:
        driver.allocate(2 << 20)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_another_library_s_memory_is_never_freed(fake: FakeCuda, driver: CudaDriver) -> None:
    """Adopted memory is waited for and left to its owner."""
    owner = driver.allocate(256)
    adopted = driver.adopt(owner.address, 256)
    used = fake.memory_used
    driver.free(adopted)
    assert (adopted.address, fake.memory_used) == (owner.address, used)


def test_host_memory_is_not_adopted(driver: CudaDriver) -> None:
    """An address that is not in device memory is refused."""
    host = np.zeros(4)
    with pytest.raises(UserError, match="not in the memory of a CUDA device"):
        driver.adopt(host.__array_interface__["data"][0], 32)


def test_another_device_s_memory_is_not_adopted(fake: FakeCuda, driver: CudaDriver) -> None:
    """An address on another device names that device."""
    with opened(1) as other:
        there = other.allocate(64)
        with pytest.raises(UserError, match="lies on cuda:0, not on cuda:1"):
            other.adopt(there.address, 64)
        other.free(there)


@pytest.mark.parametrize("nbytes", [1, 4096, SLAB, 3 * SLAB + 17])
def test_bytes_arrive_and_come_back(driver: CudaDriver, nbytes: int) -> None:
    """Copies of any size go through slabs without loss."""
    source = np.random.default_rng(0).integers(0, 256, nbytes, dtype=np.uint8)
    memory = driver.allocate(nbytes)
    driver.copy_in(None, memory.address, memoryview(source))
    assert content(driver, memory.address, nbytes) == source.tobytes()


def test_large_copies_go_in_pieces(fake: FakeCuda, driver: CudaDriver) -> None:
    """Each piece is put on the stream as soon as it is in pinned memory."""
    memory = driver.allocate(2 * SLAB + 5)
    fake.listen()
    driver.copy_in(None, memory.address, memoryview(bytes(2 * SLAB + 5)))
    copies = [line.split()[1] for line in fake.heard() if line.startswith("copy")]
    assert copies == [str(SLAB), str(SLAB), "5"]


def test_nothing_is_copied_of_nothing(fake: FakeCuda, driver: CudaDriver) -> None:
    """Copies and fills of no bytes reach no driver."""
    fake.listen()
    driver.copy_in(None, 0, memoryview(b""))
    driver.copy_out(None, memoryview(bytearray()), 0)
    driver.copy(None, 0, 0, 0)
    driver.fill(None, 0, b"\0", 0)
    assert fake.heard() == []


def test_pinned_memory_is_copied_in_one_piece(fake: FakeCuda, driver: CudaDriver) -> None:
    """The device reads it directly, and it stays until it was read."""
    pinned, memory, queue = driver.pinned(SLAB + 1), driver.allocate(SLAB + 1), driver.queue()
    pinned[-1] = 7
    fake.listen()
    driver.copy_in(queue, memory.address, pinned)
    assert [line.partition(" on")[0] for line in fake.heard()] == [f"copy {SLAB + 1} in"]
    driver.copy_out(queue, pinned, memory.address)
    assert [kept for _, kept, _ in queue.pending] == [pinned, pinned]
    driver.wait(driver.mark(queue))
    assert (list(queue.pending), pinned[-1]) == ([], 7)


def test_a_stream_with_copies_under_way_is_waited_for(fake: FakeCuda, driver: CudaDriver) -> None:
    """Dropping it does not free host memory that the device still reads."""
    pinned, memory, queue = driver.pinned(64), driver.allocate(64), driver.queue()
    driver.copy_in(queue, memory.address, pinned)
    fake.listen()
    del queue
    assert len(fake.heard()) == 1


def test_pinned_memory_goes_with_its_last_view(fake: FakeCuda, driver: CudaDriver) -> None:
    """Whoever still looks at it keeps it."""
    before = fake.calls("cuMemFreeHost")
    pinned = driver.pinned(64)
    view = np.frombuffer(pinned, np.uint8)
    del pinned
    gc.collect()
    assert fake.calls("cuMemFreeHost") == before
    del view
    gc.collect()
    assert fake.calls("cuMemFreeHost") == before + 1


def test_read_only_bytes_are_a_source_and_no_target(driver: CudaDriver) -> None:
    """Bytes are copied from, and never written."""
    memory = driver.allocate(3)
    driver.copy_in(None, memory.address, memoryview(b"abc"))
    with pytest.raises(InternalError, match="read-only"):
        driver.copy_out(None, memoryview(b"xyz"), memory.address)
    assert content(driver, memory.address, 3) == b"abc"


def test_a_failed_copy_gives_its_slabs_back(fake: FakeCuda, driver: CudaDriver) -> None:
    """The copy after it works."""
    memory = driver.allocate(8)
    fake.fail("cuMemcpyDtoHAsync_v2", 1, times=1)
    with pytest.raises(DeviceError, match="out of range"):
        content(driver, memory.address, 8)
    driver.copy_in(None, memory.address, memoryview(b"12345678"))
    assert content(driver, memory.address, 8) == b"12345678"


@pytest.mark.parametrize("pattern", [b"a", b"ab", b"abcd", b"abcdefgh", b"abcdefghijklmnop"])
def test_memory_is_filled_with_a_pattern(driver: CudaDriver, pattern: bytes) -> None:
    """Patterns of each size are repeated over all of the memory."""
    nbytes = 16 * 3001
    memory = driver.allocate(nbytes)
    driver.fill(None, memory.address, pattern, nbytes)
    assert content(driver, memory.address, nbytes) == pattern * (nbytes // len(pattern))


def test_a_pattern_that_repeats_is_a_shorter_one(fake: FakeCuda, driver: CudaDriver) -> None:
    """Zeros of eight bytes are set by the byte."""
    memory = driver.allocate(64)
    fake.listen()
    driver.fill(None, memory.address, bytes(8), 64)
    assert fake.heard()[0].startswith("set 64 of 1")


def test_memory_is_copied_within_the_device(driver: CudaDriver) -> None:
    """The host has no part in it."""
    first, second = driver.allocate(16), driver.allocate(16)
    driver.copy_in(None, first.address, memoryview(b"0123456789abcdef"))
    driver.copy(None, second.address, first.address, 16)
    assert content(driver, second.address, 16) == b"0123456789abcdef"


def test_memory_is_copied_between_devices(driver: CudaDriver) -> None:
    """Another CUDA device is read directly; another kind of device is not."""
    with opened(1) as other:
        there, here = other.allocate(4), driver.allocate(4)
        other.copy_in(None, there.address, memoryview(b"abcd"))
        assert driver.copy_peer(None, here.address, other, there.address, 4)
        other.free(there)
    assert content(driver, here.address, 4) == b"abcd"
    assert not driver.copy_peer(None, here.address, NullDriver(), 0, 4)


@pytest.mark.parametrize("linked, opened_once", [(1, 1), (0, 0)])
def test_linked_devices_open_their_memory_once(
    fake: FakeCuda, driver: CudaDriver, linked: int, opened_once: int
) -> None:
    """Where two devices reach each other, copies need not pass through the host."""
    fake.set(linked=linked)
    with opened(1) as other:
        there, here = other.allocate(4), driver.allocate(4)
        for _ in range(2):
            driver.copy_peer(None, here.address, other, there.address, 4)
        calls = [
            fake.calls(name) for name in ("cuCtxEnablePeerAccess", "cuMemPoolSetAccess", "cuMemcpyPeerAsync")
        ]
        assert calls == [opened_once, opened_once, 2]


def test_the_address_of_a_view_is_that_of_its_bytes() -> None:
    """Read-only views have one too."""
    held = bytearray(8)
    assert address_of(memoryview(held).toreadonly()) == np.frombuffer(held, np.uint8).ctypes.data
