"""Batches: what a replay does, how arguments change, and what is refused."""

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import KernelFault, StateError, UserError
from gyral.core.events import Compiled, Event, listening


@gy.kernel
def axpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel
def scale(x: gy.Array, y: gy.Array, by=2):
    i = gy.global_id()
    y[i] = x[i] * by


@gy.kernel
def shift(x: gy.Array, y: gy.Array):
    i = gy.global_id()
    y[i] = x[(i + 1) % x.size]


@gy.kernel(check=True)
def checked(x: gy.Array[gy.i32], y: gy.Array[gy.i32], at: gy.i32):
    i = gy.global_id()
    y[i] = x[i + at]


@gy.kernel
def say(x: gy.Array[gy.i32]):
    print(f"element {gy.global_id()} is {x[gy.global_id()]}")


@gy.kernel
def powers(out: gy.Array[gy.i32], n: gy.Static[int]):
    value = 1
    for _ in range(n):
        value *= 2
    out[gy.global_id()] = value


def numbers(n: int = 10) -> np.ndarray:
    return np.arange(n, dtype=np.float32)


def test_a_replay_runs_every_launch_in_order() -> None:
    """What one launch wrote is what the next one reads."""
    x, y, z = numbers(), np.zeros(10, np.float32), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x, y, by=3).add(axpy, 10, 2.0, y, z).add(shift, 10, z, x)
    batch.replay()
    np.testing.assert_array_equal(x, np.roll(6 * numbers(), -1))


def test_each_replay_runs_again() -> None:
    """Calling the batch is replaying it, on what the arrays hold by then."""
    x, y = np.ones(5, np.float32), np.zeros(5, np.float32)
    batch = gy.Batch().add(axpy, 5, 1.0, x, y)
    for _ in range(3):
        batch()
    np.testing.assert_array_equal(y, np.full(5, 3, np.float32))


def test_launches_inside_with_are_taken_down() -> None:
    """Inside `with batch:` nothing runs; a replay runs it."""
    x, y = numbers(), np.zeros(10, np.float32)
    with gy.Batch() as batch:
        scale[10](x, y)
        axpy.launch(10, 1.0, x=x, y=y)
    before = y.copy()
    batch()
    assert (before.tolist(), len(batch)) == ([0.0] * 10, 2)
    np.testing.assert_array_equal(y, 3 * x)


def test_launches_after_with_run_again() -> None:
    """Recording ends with the block."""
    x, y = numbers(), np.zeros(10, np.float32)
    with gy.Batch() as batch:
        scale[10](x, y)
    scale[10](x, y)
    assert (len(batch), y.tolist()) == (1, (2 * x).tolist())


def test_a_stream_inside_with_is_refused() -> None:
    """A launch that names a stream cannot be taken down: the replay names it."""
    with gy.Batch(), pytest.raises(UserError, match=r"give it to batch.replay\(\)"):
        scale.launch(10, numbers(), numbers(), stream=gy.Stream(gy.device("cpu").driver))


def test_set_changes_numbers_and_arrays() -> None:
    """New arguments hold from the next replay on, whether the batch was built or not."""
    x, y, z = numbers(), np.zeros(10, np.float32), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x, y, by=2).set(0, by=5)
    batch()
    batch.set(-1, by=7, y=z)
    batch()
    assert (y.tolist(), z.tolist()) == ((5 * x).tolist(), (7 * x).tolist())


def test_set_compiles_nothing() -> None:
    """A changed argument of the same kind needs no other code."""
    x, y = numbers(), np.zeros(10, np.float32)
    batch = gy.Batch().add(axpy, 10, 2.0, x, y).build()
    seen: list[Event] = []
    with listening(seen.append):
        batch.set(0, a=3.0, x=numbers()).replay()
    assert [event for event in seen if isinstance(event, Compiled)] == []


def test_set_may_change_the_type() -> None:
    """An argument of another dtype is compiled for, and the batch goes on."""
    y = np.zeros(4, np.float32)
    batch = gy.Batch().add(scale, 4, numbers(4), y)
    batch()
    wide = np.arange(4, dtype=np.float64)
    out = np.zeros(4, np.float64)
    batch.set(0, x=wide, y=out)
    batch()
    assert out.tolist() == [0.0, 2.0, 4.0, 6.0]


def test_replace_puts_an_array_in_anothers_place() -> None:
    """Every launch that was given the old array gets the new one."""
    x, y, z = numbers(), np.zeros(10, np.float32), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x, y).add(axpy, 10, 1.0, x, y)
    batch()
    batch.replace(y, z)
    batch()
    assert (y.tolist(), z.tolist()) == ((3 * x).tolist(), (3 * x).tolist())


def test_replaced_arguments_change_what_waits_for_what() -> None:
    """Launches that were independent wait for each other once they share an array."""
    x, a, b, c = numbers(), np.zeros(10, np.float32), np.zeros(10, np.float32), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x, a).add(shift, 10, b, c)
    batch()
    batch.set(1, x=a)
    batch()
    np.testing.assert_array_equal(c, np.roll(2 * x, -1))


def test_a_refused_change_changes_nothing() -> None:
    """When one of several new arguments does not fit, the batch stays as it was."""
    x, y = numbers(), np.zeros(10, np.float32)
    batch = gy.Batch().add(axpy, 10, 2.0, x, y).build()
    with pytest.raises(UserError, match="int32"):
        batch.set(0, a=4.0, x=np.zeros(10, np.int32))
    batch()
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda b, x: b.set(3, a=1.0), "the batch has 1 launches, and none of number 3"),
        (lambda b, x: b.set(True, a=1.0), "none of number True"),
        (lambda b, x: b.set(0, c=1.0), "axpy has no parameter 'c'; it has a, x, y"),
        (lambda b, x: b.replace(np.zeros(3), x), "no launch of the batch was given the array"),
        (lambda b, x: b.add(np.sin, 3, x), "is none"),
        (lambda b, x: b.add(axpy, 3, 1.0, x), "'y' is missing"),
        (lambda b, x: b.add(axpy, (3, 3), 1.0, x, x), "launch rank of 1"),
        (lambda b, x: b.add(axpy, 3, 1.0, x, x, block=0).build(), "each extent is at least 1"),
        (lambda b, x: gy.Batch().add(axpy, 3, 1.0, "x", x), "argument 'x'"),
    ],
)
def test_what_a_batch_refuses(wrong: Any, message: str) -> None:
    """Each mistake is a UserError that says what is wrong."""
    x, y = numbers(), numbers()
    axpy[10](0.0, x, y)
    batch = gy.Batch().add(axpy, 10, 1.0, x, y)
    with pytest.raises(UserError, match=message):
        wrong(batch, x)


def test_arguments_are_checked_where_they_are_added() -> None:
    """The error notes say which member of the batch it is."""
    batch = gy.Batch().add(scale, 3, numbers(3), numbers(3))
    with pytest.raises(UserError) as caught:
        batch.add(axpy, 3, 1.0, numbers(3).astype(np.int8), numbers(3))
    assert caught.value.__notes__ == ["in member 1 of a batch, axpy"]


def test_members_on_two_devices_are_refused() -> None:
    """The error names the launches and their devices."""
    x = gy.array(numbers())
    y = gy.array(numbers(), device="null")
    batch = gy.Batch().add(scale, 10, x, x).add(scale, 10, y, y)
    with pytest.raises(UserError, match=r"scale \(member 0\) on cpu, scale \(member 1\) on null"):
        batch.build()


def test_a_failed_check_names_the_member() -> None:
    """A failing thread's error says which launch it was in, and launches behind it do not run."""
    x, y = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    after = np.zeros(4, np.int32)
    batch = gy.Batch().add(checked, 4, x, y, 0).add(checked, 4, x, y, 1).add(scale, 4, y, after)
    with pytest.raises(KernelFault) as caught:
        batch()
    assert (caught.value.thread, caught.value.__notes__) == ((3,), ["in member 1 of a batch, checked"])
    assert after.tolist() == [0, 0, 0, 0]


def test_a_checked_batch_can_be_replayed_after_a_failure() -> None:
    """Each replay begins with an empty record."""
    x, y = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    batch = gy.Batch().add(checked, 4, x, y, 1)
    with pytest.raises(KernelFault):
        batch()
    batch.set(0, at=0)
    batch()
    batch()
    assert y.tolist() == [0, 1, 2, 3]


def test_prints_keep_the_order_of_launches(capsys: pytest.CaptureFixture[str]) -> None:
    """Each replay prints what the launches one by one print."""
    x, y = np.arange(2, dtype=np.int32), np.zeros(2, np.int32)
    batch = gy.Batch().add(say, 2, y).add(scale, 2, x, y).add(say, 2, y)
    batch()
    batch()
    first = "element 0 is 0\nelement 1 is 0\nelement 0 is 0\nelement 1 is 2\n"
    assert capsys.readouterr().out == first + first.replace("element 1 is 0", "element 1 is 2", 1)


def test_options_in_force_when_added_hold() -> None:
    """A launch added inside gy.options(check=True) is checked at each replay, outside of it too."""
    x, y = np.arange(4, dtype=np.int32), np.zeros(2, np.int32)
    batch = gy.Batch()
    with gy.options(check=True):
        batch.add(scale, 4, x, y)
    with pytest.raises(KernelFault, match="index 2 is outside axis 0"):
        batch()


def test_watching_for_races_is_refused() -> None:
    """The interpreter that watches runs no batches."""
    with gy.options(check="race"), gy.Batch() as batch:
        scale[3](numbers(3), numbers(3))
    with pytest.raises(UserError, match="one by one"):
        batch()


def test_static_values_and_blocks_are_kept() -> None:
    """Compile-time arguments choose the code of their launch."""
    a, b = np.zeros(5, np.int32), np.zeros(5, np.int32)
    gy.Batch().add(powers, 5, a, 3).add(powers, 5, b, n=5, block=4).replay()
    assert (a.tolist(), b.tolist()) == ([8] * 5, [32] * 5)


def test_device_arrays_take_part() -> None:
    """A batch waits for queued work on the arrays it uses."""
    x, y = gy.array(numbers(100)), gy.zeros(100, gy.f32)
    batch = gy.Batch().add(axpy, 100, 1.0, x, y)
    for _ in range(5):
        scale[100](x, x, 2)
        batch()
    np.testing.assert_array_equal(y.numpy(), numbers(100) * (2 + 4 + 8 + 16 + 32))


def test_a_batch_can_be_put_on_a_stream() -> None:
    """Launches behind it on the stream see what it did."""
    x, y = gy.array(numbers(100)), gy.zeros(100, gy.f32)
    stream = gy.device("cpu").stream()
    batch = gy.Batch().add(axpy, 100, 1.0, x, y).add(axpy, 100, 2.0, x, y)
    batch.replay(stream)
    scale.launch(100, y, y, 10, stream=stream)
    np.testing.assert_array_equal(y.numpy(), 30 * numbers(100))


def test_a_batch_keeps_its_arrays() -> None:
    """Arrays nobody else holds live as long as the batch does."""
    x, y = numbers(), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x.copy(), y)
    batch()
    gc.collect()
    batch()
    np.testing.assert_array_equal(y, 2 * x)


def test_new_arguments_leave_queued_replays_alone() -> None:
    """A replay on a stream runs with the arguments that the batch had when it was put there."""
    y, stream = gy.zeros(1 << 16, gy.f32), gy.device("cpu").stream()
    batch = gy.Batch().add(axpy, 1 << 16, 0.0, gy.full(1 << 16, 1, gy.f32), y)
    for k in range(20):
        batch.set(0, a=float(k))
        batch.replay(stream)
    assert y.numpy().tolist() == [190.0] * (1 << 16)


def test_numpy_arrays_hold_the_result_after_a_replay_on_a_stream() -> None:
    """As with launches: with arrays of the host's own a replay returns when it is done."""
    x, y = numbers(100_000), np.zeros(100_000, np.float32)
    gy.Batch().add(scale, 100_000, x, y).replay(gy.device("cpu").stream())
    np.testing.assert_array_equal(y, 2 * x)


def test_a_queued_replay_outlives_its_batch() -> None:
    """What was put on a stream is done, though nobody holds the batch or its inputs any more."""
    y = gy.zeros(1 << 18, gy.f32)
    stream = gy.device("cpu").stream()
    for _ in range(20):
        batch = gy.Batch().add(axpy, 1 << 18, 1.0, gy.full(1 << 18, 1, gy.f32), y)
        batch.replay(stream)
        batch.close()
        del batch
    assert y.numpy().tolist() == [20.0] * (1 << 18)


def test_a_closed_batch_lets_go_and_is_not_replayed() -> None:
    """After close() its arrays are free, and everything else is a StateError."""
    y = gy.zeros(10, gy.f32)
    there = weakref.ref(y)
    batch = gy.Batch().add(scale, 10, y, y)
    batch()
    batch.close()
    batch.close()
    del y
    gc.collect()
    assert there() is None
    for use in (batch.replay, batch.build, lambda: batch.add(scale, 1, numbers(), numbers())):
        with pytest.raises(StateError, match="closed"):
            use()


def test_launches_can_be_added_after_a_replay() -> None:
    """The next replay runs them too."""
    x, y = numbers(), np.zeros(10, np.float32)
    batch = gy.Batch().add(scale, 10, x, y)
    batch()
    batch.add(axpy, 10, 1.0, x, y)
    batch()
    assert (y.tolist(), batch.launches) == ((3 * x).tolist(), ("scale", "axpy"))


def test_an_empty_batch_does_nothing() -> None:
    """Replaying no launches is no error."""
    batch = gy.Batch()
    batch()
    assert (len(batch), batch.launches, repr(batch)) == (0, (), "<batch of nothing>")


def test_threads_may_replay_at_once() -> None:
    """Replays of one batch from several threads all happen."""
    x, y = np.ones(64, np.int64), np.zeros(64, np.int64)

    @gy.kernel
    def count(x: gy.Array[gy.i64], y: gy.Array[gy.i64]):
        gy.atomic_add(y, gy.global_id(), x[gy.global_id()])

    batch = gy.Batch().add(count, 64, x, y).add(count, 64, x, y).build()
    threads = [threading.Thread(target=lambda: [batch() for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert y.tolist() == [1600] * 64
