"""The launch path: kernel[shape](...) and bound launches."""

import contextvars
import gc
import itertools
import sys
import threading
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest
from tests.native_kernels import Kernel, array, plan, saxpy_plan, scalar

from gyral import _native


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """x of ones and y of zeros, 1000 elements each."""
    return np.ones(1000, np.float32), np.zeros(1000, np.float32)


def test_a_plan_that_fits_runs_without_python(arrays: Any) -> None:
    """The launch writes the array and returns None."""
    kernel = Kernel(1, saxpy_plan())
    x, y = arrays
    result = kernel[1000](2.0, x, y)
    assert (result, kernel.missed, y.min(), y.max()) == (None, [], 2.0, 2.0)


def test_the_slow_call_means_the_same(arrays: Any) -> None:
    """A call through an argument tuple runs the same plan."""
    kernel = Kernel(1, saxpy_plan())
    x, y = arrays
    type(kernel[1000]).__call__(kernel[1000], *(2.0, x, y))
    assert (kernel.missed, y.max()) == ([], 2.0)


def test_a_call_that_no_plan_fits_goes_to_python(arrays: Any) -> None:
    """Python gets the shape, the block and the arguments, and its answer is the result."""
    kernel = Kernel(1, saxpy_plan())
    x, y = arrays
    answer = kernel[1000, 64](2.0, x, y)
    assert (answer, kernel.missed) == ("missed", [((1000,), (64,), (2.0, x, y), {})])


@pytest.mark.parametrize("vector", [True, False])
def test_keyword_arguments_go_to_python(vector: bool) -> None:
    """Names are Python's business, in either form of call."""
    kernel = Kernel(1, plan("fault", scalar()))
    if vector:
        kernel[4](a=1.0)
    else:
        type(kernel[4]).__call__(kernel[4], a=1.0)
    assert kernel.missed == [((4,), None, (), {"a": 1.0})]


def test_what_python_raises_reaches_the_caller() -> None:
    """An exception in the miss is the launch's own."""

    class Strict(Kernel):
        def _miss(self, *call: Any) -> Any:
            raise LookupError("no such kernel")

    with pytest.raises(LookupError, match="no such kernel"):
        Strict(1)[3]()


def test_subclasses_of_array_types_go_to_python(arrays: Any) -> None:
    """Only exact types are known to behave as arrays do."""
    kernel = Kernel(1, saxpy_plan())
    x, y = arrays
    kernel[1000](2.0, x.view(np.recarray), y)
    assert len(kernel.missed) == 1


def test_an_unregistered_type_goes_to_python(arrays: Any) -> None:
    """Exporting a buffer is not enough."""
    kernel = Kernel(1, saxpy_plan())
    x, y = arrays
    kernel[1000](2.0, memoryview(x), y)
    assert len(kernel.missed) == 1


def test_array_types_are_types() -> None:
    """An instance cannot be registered."""
    with pytest.raises(TypeError, match="must be a type"):
        _native.register_array_type(np.zeros(1))


def test_the_plan_for_the_block_runs() -> None:
    """A block asked for and none asked for are different plans."""
    with_block = plan("count", array(), requested=(1, 1, 64), item=(1, 1, 64))
    kernel = Kernel(1, plan("count", array()), with_block)
    seen = np.zeros(128, np.int64)
    kernel[128, 64](seen)
    first = seen.sum()
    kernel[128](seen)
    assert (first, seen.sum(), kernel.missed) == (2, 130, [])


def test_the_plan_used_last_is_tried_first() -> None:
    """The order follows use."""
    ints, floats = plan("fault", array("i64")), plan("fault", array("f64"))
    kernel = Kernel(1, ints, floats)
    before = kernel.plans
    kernel[0](np.zeros(1, np.int64))
    assert (before, kernel.plans) == ((floats, ints), (ints, floats))


def test_plans_are_bounded() -> None:
    """The least recently used plan goes when there are more than 32."""
    plans = [plan("fault", scalar()) for _ in range(40)]
    assert Kernel(1, *plans).plans == tuple(plans[:7:-1])


def test_plans_can_be_cleared(arrays: Any) -> None:
    """Without plans every launch goes to Python."""
    kernel = Kernel(1, saxpy_plan())
    kernel.clear_plans()
    kernel[1000](2.0, *arrays)
    assert (kernel.plans, len(kernel.missed)) == ((), 1)


def test_only_plans_are_added() -> None:
    """Anything else is refused."""
    with pytest.raises(TypeError, match="takes a Plan"):
        Kernel(1).add_plan(None)


def test_a_new_epoch_forgets_plans(arrays: Any) -> None:
    """After the settings changed nothing old runs."""
    kernel = Kernel(1, saxpy_plan())
    _native.set_epoch(_native.epoch() + 1)
    kernel[1000](2.0, *arrays)
    assert (kernel.plans, len(kernel.missed)) == ((), 1)


def test_a_plan_of_the_new_epoch_stays(arrays: Any) -> None:
    """Adding a plan after the change counts for the new epoch and drops the old ones."""
    kernel, fresh = Kernel(1, saxpy_plan()), saxpy_plan()
    _native.set_epoch(_native.epoch() + 1)
    kernel.add_plan(fresh)
    kernel[1000](2.0, *arrays)
    assert (kernel.plans, kernel.missed) == ((fresh,), [])


def test_a_bypass_sends_launches_to_python(arrays: Any) -> None:
    """While the thread's count is not zero Python decides."""
    kernel = Kernel(1, saxpy_plan())
    _native.set_bypass(1)
    try:
        kernel[1000](2.0, *arrays)
    finally:
        _native.set_bypass(0)
    kernel[1000](2.0, *arrays)
    assert len(kernel.missed) == 1


def test_a_bypass_belongs_to_its_thread(arrays: Any) -> None:
    """Another thread's launches stay fast."""
    kernel, counts = Kernel(1, saxpy_plan()), []

    def launch() -> None:
        counts.append(_native.bypass())
        kernel[1000](2.0, *arrays)

    _native.set_bypass(3)
    try:
        thread = threading.Thread(
            target=lambda: counts.append(_native.bypass()) or kernel[1000](2.0, *arrays)
        )
        thread.start()
        thread.join()
        counts.append(_native.bypass())
    finally:
        _native.set_bypass(0)
    assert (counts, kernel.missed) == ([0, 3], [])


class _Holder:
    """A stand-in for a context variable that is not one."""

    def __init__(self) -> None:
        self.value: object = None

    def get(self, otherwise: object) -> object:
        return self.value


def _packages_own() -> Any:
    """The scope that the package watches where it is loaded; the sanitizers load the module alone."""
    loaded = sys.modules.get("gyral.core.context")
    return None if loaded is None else loaded.VARIABLE


@pytest.mark.parametrize("variable", [contextvars.ContextVar("scope"), _Holder()], ids=["context", "other"])
def test_an_open_scope_sends_launches_to_python(variable: Any, arrays: Any) -> None:
    """A value in the watched variable bypasses the plans, None and unset do not."""
    kernel = Kernel(1, saxpy_plan())
    missed = []
    _native.watch_scope(variable)
    try:
        for value in ("unset", "options", None):
            if isinstance(variable, _Holder):
                variable.value = None if value == "unset" else value
            elif value != "unset":
                variable.set(value)
            kernel[1000](2.0, *arrays)
            missed.append(len(kernel.missed))
    finally:
        _native.watch_scope(_packages_own())
    assert missed == [0, 1, 1]


def test_a_scope_follows_a_copied_context(arrays: Any) -> None:
    """A context run on another thread takes its scope along."""
    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("copied", default=None)
    kernel = Kernel(1, saxpy_plan())
    context = contextvars.copy_context()
    context.run(variable.set, "options")
    _native.watch_scope(variable)
    try:
        thread = threading.Thread(target=context.run, args=(lambda: kernel[1000](2.0, *arrays),))
        thread.start()
        thread.join()
        kernel[1000](2.0, *arrays)
    finally:
        _native.watch_scope(_packages_own())
    assert len(kernel.missed) == 1


def test_a_recorded_plan_runs_through_python() -> None:
    """The record buffer is Python's to give and read."""
    recorded = plan("fault", scalar(), record=True)
    assert Kernel(1, recorded)[5](1.0) == ("recorded", recorded, (5,), (1.0,))


def test_a_bound_launch_runs(arrays: Any) -> None:
    """Each call runs the kernel on the arrays that were bound."""
    x, y = arrays
    bound = saxpy_plan().bind(1000, (2.0, x, y))
    bound()
    bound()
    assert y.tolist() == [4.0] * 1000


def test_a_bound_launch_holds_its_buffers() -> None:
    """The arrays cannot go or change size while they are bound."""
    y = np.zeros(8, np.int64)
    bound = plan("count", array()).bind(8, (y,))
    with pytest.raises(ValueError, match="cannot resize"):
        y.resize(4)
    bound()
    assert bound.args[0] is y


def test_a_bound_launch_takes_no_arguments() -> None:
    """They were given when it was bound."""
    bound = plan("fault").bind(0, ())
    with pytest.raises(TypeError, match="takes no arguments"):
        bound(1)
    with pytest.raises(TypeError, match="takes no arguments"):
        bound(a=1)


def test_binding_checks() -> None:
    """What does not fit is refused before anything runs."""
    with pytest.raises(TypeError, match="argument 0 does not fit"):
        plan("count", array()).bind(8, (np.zeros(8, np.int32),))


def test_a_bound_record_reaches_the_kernel() -> None:
    """The record buffer is bound with the rest."""
    record, probe = np.zeros(10, np.int64), plan("fault", record=True)
    bound = probe.bind(1, (), record)
    bound()
    assert (bound.plan, record[1]) == (probe, 7)


def _blocks_after(action: Any) -> int:
    """How many more memory blocks are held after 10,000 runs of `action`."""
    for _ in range(100):
        action()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            action()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_launches_leak_nothing(arrays: Any) -> None:
    """References, buffers and memory are as before after many launches that hit, miss and bind."""
    x, y = arrays
    kernel, numbers = Kernel(1, saxpy_plan()), itertools.cycle(range(20))
    bound_plan = saxpy_plan()

    def act() -> None:
        kernel[1000](2.0, x, y)
        kernel[next(numbers)](2.0, x, y)
        kernel[10](x, y)
        kernel[10](1.0, x, x)
        kernel[10](1.0, b=y)
        bound_plan.bind(1000, (1.0, x, y))()
        kernel.missed.clear()

    references = sys.getrefcount(x), sys.getrefcount(y)
    grown = _blocks_after(act)
    after = sys.getrefcount(x), sys.getrefcount(y)
    # Less than an object a run: caches of Python and NumPy may have grown a little.
    assert grown < 100_000
    assert after == references


def test_a_kernel_and_its_launches_are_collected() -> None:
    """The cycle between a kernel and its recent launches is garbage like any other."""
    kernel = Kernel(1, plan("fault"))
    kernel.extra = kernel[7]
    gone = weakref.ref(kernel)
    del kernel
    gc.collect()
    assert gone() is None
