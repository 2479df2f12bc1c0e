"""Launches of a sort that was seen before: they skip the checks, and no difference is missed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.jit import route
from gyral.jit.kernel import Kernel

N = 96
HALF = N // 2


@pytest.fixture
def axpy() -> Kernel:
    """A kernel of its own, so that no test's launches are known to another."""

    @gy.kernel
    def axpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
        i = gy.global_id()
        y[i] = a * x[i] + y[i]

    return axpy


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The launches that were checked and for which code was looked up."""
    seen: list[tuple[Any, ...]] = []
    whole = Kernel._prepare

    def prepare(self: Kernel, *asked: Any) -> Any:
        seen.append(asked)
        return whole(self, *asked)

    monkeypatch.setattr(Kernel, "_prepare", prepare)
    return seen


def made(start: float = 0.0, n: int = N) -> gy.DeviceArray:
    """An array that counts from a number."""
    return gy.array(np.arange(n, dtype=np.float32) + np.float32(start), device="cpu")


def test_a_launch_like_another_is_put_on_the_queue_at_once(axpy: Kernel, prepared: list[Any]) -> None:
    """Other arrays and numbers of the same sort need no second look, and are the ones that are used."""
    first, x, y = made(), made(1), made(2)
    axpy[N](2.0, first, made())
    axpy[N](3.0, x, y)
    assert len(prepared) == 1
    assert y.numpy().tolist() == [3.0 * (k + 1) + k + 2 for k in range(N)]


@pytest.mark.parametrize(
    "other",
    [
        lambda x, y: (HALF // 2, (2.0, x[:HALF], y[:HALF])),
        lambda x, y: ((HALF, 16), (2.0, x[:HALF], y[:HALF])),
        lambda x, y: (HALF, (np.float64(2.0), x[:HALF], y[:HALF])),
        lambda x, y: (HALF, (2.0, x[::2], y[:HALF])),
        lambda x, y: (HALF, (2.0, x[1 : HALF + 1], y[:HALF])),
        lambda x, y: (HALF, (2.0, y[16 : HALF + 16], y[:HALF])),
        lambda x, y: (HALF, (2.0, x.numpy()[:HALF], y[:HALF])),
    ],
    ids=["shape", "block", "number", "stride", "alignment", "overlap", "host"],
)
def test_a_launch_of_another_sort_is_looked_at(
    axpy: Kernel, prepared: list[Any], other: Callable[[Any, Any], tuple[Any, tuple[Any, ...]]]
) -> None:
    """What it differs in decides on its code, and the result is that of a first launch."""
    axpy[HALF](2.0, made()[:HALF], made()[:HALF])
    key, arguments = other(made(1), made(2))
    axpy[key](*arguments)
    assert len(prepared) == 2
    key, expected = other(made(1), made(2))
    gy.kernel(axpy.__gyral_kernel__)[key](*expected)
    assert arguments[2].numpy().tolist() == expected[2].numpy().tolist()


def test_options_are_part_of_the_sort(axpy: Kernel, prepared: list[Any]) -> None:
    """Checks and fast maths that are switched on for a launch are not those of the launch before."""
    x, y = made(), made()
    axpy[N](2.0, x, y)
    with gy.options(fastmath=True):
        axpy[N](2.0, x, y)
    with gy.options(check=True):
        axpy[N](2.0, x, y)
    axpy[N](2.0, x, y)
    assert len(prepared) == 3


def test_overlap_counts_where_it_lies(axpy: Kernel, prepared: list[Any]) -> None:
    """Launches over halves of one array are apart or not, by where the halves begin."""
    memory = made()
    axpy[N // 2](2.0, memory[: N // 2], memory[N // 2 :])
    axpy[N // 2](2.0, memory[: N // 2], memory[16 : 16 + N // 2])
    axpy[N // 2](2.0, memory[: N // 2], memory[N // 2 :])
    assert len(prepared) == 2


def test_wrong_arguments_are_told_as_ever(axpy: Kernel) -> None:
    """A launch of a known sort with a number that does not fit is refused."""
    x, y = made(), made()
    axpy[N](2.0, x, y)
    with pytest.raises(gy.UserError, match="'a' is f32, which cannot hold"):
        axpy[N](1e300, x, y)


def test_batches_and_limits_take_the_whole_road(axpy: Kernel) -> None:
    """What a batch takes down is not run, and a limited launch has its limit."""
    x, y = made(1), made()
    axpy[N](0.0, x, y)
    with gy.Batch() as batch:
        axpy[N](1.0, x, y)
    with gy.options(time_limit=60):
        axpy[N](2.0, x, y)
    assert (len(batch), y.numpy().tolist()) == (1, [3.0 * k + 2 for k in range(N)])


def test_memory_that_the_host_saw_is_worked_on_at_once(axpy: Kernel, prepared: list[Any]) -> None:
    """After numpy() the memory may be read at any moment, so its launches are done when they return."""
    x, y = made(), made()
    axpy[N](1.0, x, y)
    seen = y.numpy()
    axpy[N](1.0, x, y)
    assert seen.tolist() == [3.0 * k for k in range(N)]


def test_a_stream_in_scope_gets_the_launch(axpy: Kernel, prepared: list[Any], monkeypatch: Any) -> None:
    """A known sort is put on the stream of the `with` around it."""
    x, y = made(), made()
    axpy[N](1.0, x, y)
    device = gy.device("cpu")
    stream, queues, launch = device.stream(), [], device.driver.launch
    monkeypatch.setattr(
        device.driver, "launch", lambda queue, *rest: (queues.append(queue), launch(queue, *rest))
    )
    with stream:
        axpy[N](1.0, x, y)
    stream.synchronize()
    assert (queues, len(prepared)) == ([stream.queue], 1)


def test_a_kernel_remembers_so_many_sorts(
    axpy: Kernel, prepared: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shapes without end do not fill the memory: with one sort too many all are forgotten."""
    monkeypatch.setattr(route, "_MOST", 2)
    x, y = made(), made()
    for n in (1, 2, 1, 3, 1):
        axpy[n](1.0, x, y)
    assert len(prepared) == 4


def test_a_renewed_kernel_looks_again(axpy: Kernel, prepared: list[Any]) -> None:
    """What the tuner found since counts from the next launch on."""
    x, y = made(), made()
    for _ in range(2):
        axpy[N](1.0, x, y)
        axpy.renew()
    assert len(prepared) == 2
