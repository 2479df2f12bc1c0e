"""Arrays on the stand-in for CUDA's driver, through the runtime: exchange, copies, fills, a lost card."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.fake_cuda import FakeCuda, path

import gyral as gy
from gyral.core.driver import External
from gyral.core.errors import DeviceError, StateError
from gyral.drivers.cuda.driver import open_cuda
from gyral.runtime import device as devices


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """The stand-in in the place of this machine's driver."""
    made = FakeCuda()
    monkeypatch.setattr(devices, "_open", {"cpu": gy.device("cpu")})
    monkeypatch.setattr(devices, "_kinds", {"cpu": devices._kinds["cpu"]})
    devices.register("cuda", lambda index: open_cuda(index, path()), dlpack=2)
    return made


@pytest.fixture
def cuda(fake: FakeCuda) -> gy.Device:
    """The stand-in's first card."""
    return gy.device("cuda")


def test_arrays_go_there_and_back(cuda: gy.Device) -> None:
    """What is written is read, whole and in views of few runs."""
    source = np.arange(12, dtype=np.float32).reshape(3, 4)
    made = gy.array(source, device=cuda)
    np.testing.assert_array_equal(made[:, 1:3].numpy(), source[:, 1:3])
    np.testing.assert_array_equal(made.copy().fill(2.5).numpy(), np.full((3, 4), 2.5))


def test_copies_are_queued(cuda: gy.Device) -> None:
    """Copies on a stream through pinned memory arrive when the stream does."""
    stream = cuda.stream()
    source, target = (gy.empty_pinned(1000, gy.f64, device=cuda) for _ in range(2))
    source[:] = np.arange(1000)
    made = gy.empty(1000, gy.f64, device=cuda).copy_from(source, stream=stream)
    made.copy_to(target, stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(target, source)


@pytest.mark.parametrize("take", [gy.from_dlpack, gy.from_cuda_array])
def test_arrays_are_shared(cuda: gy.Device, take: Callable[[Any], gy.DeviceArray]) -> None:
    """An array that we hand over is taken back in place, by both protocols."""
    made = gy.array(np.arange(6, dtype=np.int32).reshape(2, 3), device=cuda)
    taken = take(made)
    taken.fill(7)
    assert (taken.device, taken.address, taken.strides) == (cuda, made.address, made.strides)
    assert made.numpy().tolist() == [[7, 7, 7], [7, 7, 7]]


def test_the_stream_of_the_interface_is_ours(cuda: gy.Device) -> None:
    """The CUDA array interface names the stream in scope, behind which pending work is."""
    made, stream = gy.zeros(3, gy.f32, device=cuda), cuda.stream()
    assert isinstance(cuda.driver, External)
    with stream:
        found = made.__cuda_array_interface__
    assert found["stream"] == cuda.driver.stream_of(stream.queue)


def test_streams_are_timed(cuda: gy.Device) -> None:
    """Timed events of a stream are apart by the card's clock."""
    stream = cuda.stream()
    first = stream.record(timing=True)
    gy.empty(10, gy.f32, device=cuda).copy_from(np.zeros(10, np.float32), stream=stream)
    assert first.elapsed(stream.record(timing=True)) > 0


def test_a_lost_card_is_opened_anew(fake: FakeCuda, cuda: gy.Device) -> None:
    """After the card is lost reset() gives one that works; what belonged to it says that it is gone."""
    made = gy.array([1.0, 2.0], gy.f32, device=cuda)
    fake.lose(719)
    with pytest.raises(DeviceError):
        made.numpy()
    again = cuda.reset()
    assert gy.full(2, 3, gy.f32, device=again).numpy().tolist() == [3, 3]
    with pytest.raises((StateError, DeviceError)):
        made.numpy()
