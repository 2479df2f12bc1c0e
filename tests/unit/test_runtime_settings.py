"""Settings, scopes, devices, streams and events of the runtime."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

import gyral as gy
from gyral.core import context, settings
from gyral.core.errors import StateError, UnsupportedError, UserError
from gyral.core.events import CacheTrouble, Event, emit, listening
from gyral.drivers.cpu.codegen import host
from gyral.drivers.cpu.driver import CpuDriver, open_cpu
from gyral.drivers.cpu.identity import identity, vector_bits
from gyral.drivers.cpu.queue import Queue, wait
from gyral.jit import targets
from gyral.jit.machine import host as compiled_host
from gyral.runtime.device import current_device


def test_settings_have_defaults() -> None:
    """An empty environment means the CPU, no checks, all threads and no cache without a home."""
    found = settings.read({"XDG_RUNTIME_DIR": "/run"}, "linux")
    assert found == settings.Settings(runtime_dir="/run/gyral")


def test_settings_are_read() -> None:
    """Each variable has its meaning."""
    found = settings.read(
        {
            "GYRAL_DEVICE": "null",
            "GYRAL_CHECK": "1",
            "GYRAL_THREADS": "3",
            "GYRAL_CACHE_DIR": "/c",
            "GYRAL_CACHE_LIMIT": "2MiB",
            "GYRAL_POOL_LIMIT": "12",
            "GYRAL_PUBLISH": "1",
            "GYRAL_RUNTIME_DIR": "/r",
        },
        "linux",
    )
    assert found == settings.Settings("null", "on", 3, "/c", 2 << 20, 12, True, "/r")


@pytest.mark.parametrize(
    "environ, platform, folder",
    [
        ({"HOME": "/h"}, "linux", "/h/.cache/gyral"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "linux", "/x/gyral"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/gyral"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/gyral"),
        ({"HOME": "/h", "GYRAL_CACHE_DIR": ""}, "linux", ""),
    ],
)
def test_the_cache_has_a_place_on_each_platform(environ: dict[str, str], platform: str, folder: str) -> None:
    """The platform's own folder for caches; an empty name switches the cache off."""
    assert settings.read(environ, platform).cache_dir.replace("\\", "/") == folder


@pytest.mark.parametrize(
    "variable, value",
    [
        ("GYRAL_CHECK", "maybe"),
        ("GYRAL_THREADS", "-1"),
        ("GYRAL_CACHE_LIMIT", "much"),
        ("GYRAL_POOL_LIMIT", "G"),
    ],
)
def test_senseless_settings_are_named(variable: str, value: str) -> None:
    """A value that makes no sense is refused with the variable's name."""
    with pytest.raises(UserError, match=variable):
        settings.read({variable: value})


def test_scopes_nest_and_end() -> None:
    """The innermost scope holds, and leaving it restores the one around it."""
    with gy.options(check=True):
        with gy.options(check=False, fastmath=True):
            assert (context.current().check, context.current().fastmath) == ("off", True)
        assert (context.current().check, context.current().fastmath) == ("on", None)
    assert context.VARIABLE.get() is None


def test_a_scope_can_be_entered_again() -> None:
    """One scope object may be used many times, within itself too."""
    scope = gy.options(check="race")
    with scope, scope:
        assert context.current().check == "race"
    assert context.VARIABLE.get() is None


def test_scopes_belong_to_their_task() -> None:
    """Two tasks that share a scope object, and threads beside them, do not see each other's."""
    scope = gy.options(check=True)
    seen: list[Any] = []

    async def inside(ready: asyncio.Event, go: asyncio.Event) -> None:
        with scope:
            ready.set()
            await go.wait()
            seen.append(context.current().check)

    async def both() -> None:
        ready, go = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(inside(ready, go))
        await ready.wait()
        seen.append(context.current().check)
        go.set()
        await task

    asyncio.run(both())
    with scope:
        thread = threading.Thread(target=lambda: seen.append(context.current().check))
        thread.start()
        thread.join()
    assert seen == [None, "on", None]


@pytest.mark.parametrize("value", ["maybe", 2, 1.5])
def test_senseless_checks_are_refused(value: object) -> None:
    """check is a bool or "race"."""
    with pytest.raises(UserError, match="check is"):
        gy.options(check=value)


def test_devices_are_listed_and_named() -> None:
    """The CPU is there, as one object under each of its names."""
    cpu = gy.device("cpu")
    assert cpu in gy.devices()
    assert gy.device("cpu:0") is cpu
    assert gy.device(cpu) is cpu
    assert repr(cpu) == "gyral.device('cpu')"


@pytest.mark.parametrize("name", ["tpu", "cpu:x", "", "cpu:1"])
def test_unknown_devices_are_refused(name: str) -> None:
    """The message names what was asked for or what there is."""
    with pytest.raises(UserError, match="cpu"):
        gy.device(name)


def test_a_device_can_be_in_scope() -> None:
    """`with device:` makes it the place of launches and arrays."""
    with gy.device("null"):
        assert current_device() is gy.device("null")
        assert gy.zeros(1, gy.f32).device is gy.device("null")
    assert current_device() is gy.device("cpu")


def test_the_cpu_tells_what_it_can_do() -> None:
    """Its capability record has its vector width and its threads."""
    caps = gy.device("cpu").capabilities
    assert caps.unified
    assert caps.units >= 1
    assert caps.subgroup_sizes == (compiled_host().lanes,)


def test_both_ways_to_learn_the_vector_width_agree() -> None:
    """What the native module says without LLVM is what LLVM says."""
    assert vector_bits() == compiled_host().vector_bits
    assert compiled_host().features == host().features


@pytest.mark.parametrize(
    "key, bits",
    [
        ("aarch64-0x41-ff-0", 128),
        ("x86_64-A-1-f.f-0.0.0-0.0.0.0-0.0-0.e7", 128),
        ("x86_64-A-1-f.f-20.0.0-0.0.0.0-0.0-0.7", 256),
        ("x86_64-A-1-f.f-d0030020.0.0-0.0.0.0-0.0-0.e7", 512),
        ("x86_64-A-1-f.f-d0030020.0.0-0.0.0.0-0.0-0.7", 256),
        ("unknown", 128),
    ],
)
def test_the_vector_width_needs_features_and_the_system_s_support(key: str, bits: int) -> None:
    """AVX-512 counts when all its parts are there and the system saves its registers."""
    assert vector_bits(key) == bits


def test_the_machine_has_an_identity() -> None:
    """The identity in cache keys is stable within a process and says something."""
    assert identity() == identity() != ""


def test_unknown_targets_are_refused() -> None:
    """Asking for code for a device nobody compiles for names the ones that exist."""
    with pytest.raises(UnsupportedError, match="cpu"):
        targets.target("abacus")
    with pytest.raises(UnsupportedError, match="asm, cuda, llvm, msl, opencl, ptx, wgsl"):
        targets.print_source("cobol", None)


def test_there_is_one_cpu() -> None:
    """cpu:1 does not exist, and the driver refuses foreign artifacts."""
    with pytest.raises(UserError, match="one CPU"):
        open_cpu(1)
    assert isinstance(open_cpu(0), CpuDriver)


def test_events_reach_listeners_only_while_they_listen() -> None:
    """A listener hears what happens inside its block."""
    heard: list[Event] = []
    with listening(heard.append):
        emit(CacheTrouble("a", "b"))
    emit(CacheTrouble("c", "d"))
    assert heard == [CacheTrouble("a", "b")]


def recorder(into: list[int], value: int) -> Callable[[], None]:
    return lambda: into.append(value)


def test_queues_keep_order() -> None:
    """Work is done in the order it was put, and a mark waits for all before it."""
    queue, done = Queue(), list[int]()
    for k in range(100):
        queue.put(recorder(done, k))
    wait(queue.mark())
    assert done == list(range(100))


def test_a_failure_is_raised_once() -> None:
    """The next call on the queue raises it; work behind it is done all the same."""
    queue, done = Queue(), list[int]()

    def fail() -> None:
        raise ValueError("lost")

    gate = threading.Event()
    queue.put(lambda: (gate.wait(), None)[1])
    queue.put(fail)
    queue.put(recorder(done, 1))
    mark = queue.mark()
    gate.set()
    with pytest.raises(ValueError, match="lost"):
        wait(mark)
    queue.put(recorder(done, 2))
    queue.close()
    assert done == [1, 2]


def test_a_closed_queue_takes_no_work() -> None:
    """After close() there is a StateError, and closing again does nothing."""
    queue = Queue()
    queue.close()
    queue.close()
    with pytest.raises(StateError):
        queue.put(lambda: None)
    with pytest.raises(StateError):
        queue.mark()


def test_a_dropped_queue_s_thread_ends() -> None:
    """The thread ends once its queue is gone and its work is done."""
    queue, done = Queue(), list[int]()
    queue.put(recorder(done, 1))
    thread = queue._state.thread
    assert thread is not None
    del queue
    thread.join(timeout=10)
    assert (thread.is_alive(), done) == (False, [1])


def test_events_of_streams() -> None:
    """An event is reached, a stream may wait for one of another device, and both synchronise."""
    stream, other = gy.device("cpu").stream(), gy.device("null").stream()
    event = stream.record()
    other.wait(event)
    stream.wait(event)
    event.synchronize()
    stream.synchronize()
    gy.synchronize()


def test_scopes_leave_nothing_in_the_context() -> None:
    """A context keeps every variable set in it, so that scopes that are over must not have had their own."""
    with gy.options(check=True):
        pass
    before = len(contextvars.copy_context())
    for _ in range(10):
        with gy.options(check=True), gy.options(fastmath=True):
            pass
    assert len(contextvars.copy_context()) == before


def test_scopes_left_out_of_order_take_off_their_own() -> None:
    """Each scope undoes its own entry, whichever is left first."""
    outer, inner = gy.options(check=True), gy.options(fastmath=True)
    outer.__enter__(), inner.__enter__()
    inner.__exit__(None, None, None)
    assert context.current().check == "on"
    outer.__exit__(None, None, None)
    assert context.VARIABLE.get() is None
