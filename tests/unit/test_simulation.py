"""A simulation as its user holds it: running, pausing, changing, keeping, and what is refused."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.simulations import corners, diffuse, expected, gray_scott, wave

import gyral as gy
from gyral.actors import steppers
from gyral.actors.declared import declared
from gyral.actors.halo import Division, Layout
from gyral.actors.simulation import Simulation
from gyral.actors.steptext import kernel_of
from gyral.core.errors import CompileError, KernelFault, StateError, UserError

PERIODIC = ("periodic", "periodic")


def grid(shape: tuple[int, ...] = (12, 20)) -> np.ndarray:
    """Small whole numbers, different everywhere."""
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def simulation(workers: int = 2, **changes: Any) -> Simulation:
    """A simulation of whole numbers."""
    return Simulation((12, 20), corners, {"n": grid()}, boundary="periodic", workers=workers, **changes)


def after(steps: int, start: np.ndarray | None = None) -> np.ndarray:
    """What that simulation must be after some steps."""
    return expected(corners, {"n": grid() if start is None else start}, steps, PERIODIC)["n"]


@gy.func
def two_for_one(u):
    """Gives more than it should."""
    return u[0], u[0]


@gy.func
def writes(u):
    """Writes what it should only read."""
    u[0] = 1.0
    return u[0]


@gy.func
def looks_far(u):
    """Reads beyond the reach."""
    return u[3]


@gy.func
def looks_anywhere(u, k):
    """Reads at a distance that is known when running."""
    return u[k]


@gy.func
def takes_all(u):
    """Uses a field as if it were a number."""
    return u * 2.0


@gy.func
def too_flat(u):
    """Gives one distance on a plane."""
    return u[1]


@gy.func
def insists(u):
    """Has a demand on its cells."""
    assert u[0] < 3.0
    return u[0] + 1.0


def test_ten_thousand_steps_are_one_launch() -> None:
    """The loop is entered once for all steps of a run."""
    with simulation(workers=1) as sim:
        sim.run(10_000)
        assert (sim.steps, sim.launches, sim.way) == (10_000, 1, "resident")
        assert np.array_equal(sim.read("n"), after(10_000))


def test_runs_add_up() -> None:
    """A run goes on where the one before stopped."""
    with simulation() as sim:
        sim.run(3).run(0).run(4)
        assert (sim.steps, sim.pending) == (7, 0)
        assert np.array_equal(sim.read("n"), after(7))


def test_a_pause_stops_all_blocks_at_one_step() -> None:
    """After a pause the fields are those of the step that is told, and a resume takes what is left."""
    with simulation() as sim:
        sim.start(3000)
        sim.pause()
        done = sim.steps
        assert (sim.running, sim.pending) == (False, 3000 - done)
        assert np.array_equal(sim.read("n"), after(done))
        assert sim.resume().wait()
        assert np.array_equal(sim.read("n"), after(3000))


def test_a_simulation_without_an_end_is_paused() -> None:
    """A start without a number goes on until somebody pauses it."""
    with simulation(workers=1) as sim:
        sim.start()
        while sim.steps < 100:
            sim.wait(0.001)
        assert sim.pause().pending > 0
        assert sim.rate > 0


def test_looking_at_a_running_simulation_lets_it_go_on() -> None:
    """A read between two steps does not end a run."""
    with simulation(workers=1) as sim:
        sim.start()
        sim.read("n")
        assert sim.running


def test_a_field_is_read_in_part() -> None:
    """An index chooses cells, and what comes back is a copy."""
    with simulation() as sim:
        part = sim.read("n", np.s_[2:4, 5])
        part[:] = -1
        assert sim.read("n", np.s_[2:4, 5]).tolist() == [45, 65]


def test_the_field_before_is_read_and_injected() -> None:
    """Where a step reads the state before the present one, its user can too."""
    start, before = np.zeros((4, 4, 4), np.float32), np.ones((4, 4, 4), np.float32)
    with Simulation((4, 4, 4), wave, {"p": start}, parameters={"speed": np.zeros((4, 4, 4))}) as sim:
        sim.inject("p_before", ..., before)
        sim.run(1)
        assert sim.read("p").tolist() == (-before).tolist()
        assert sim.read("p_before").tolist() == start.tolist()


def test_parameters_are_changed_between_steps() -> None:
    """A number and an array of parameters hold from the next step on."""
    with Simulation((8, 8), diffuse, {"u": np.eye(8, dtype=np.float32)}, parameters={"k": 0.0}) as sim:
        assert np.array_equal(sim.run(1).read("u"), np.eye(8))
        sim.set(k=0.25)
        want = expected(diffuse, {"u": np.eye(8, dtype=np.float32)}, 2, ("zero", "zero"), {"k": 0.25})["u"]
        assert np.allclose(sim.run(2).read("u"), want)
    speed = np.zeros((3, 3, 3), np.float32)
    with Simulation((3, 3, 3), wave, {"p": 1.0}, parameters={"speed": speed}, boundary="clamp") as sim:
        sim.set(speed=speed + 0.1)
        assert sim.read("speed").max() == np.float32(0.1)


def test_a_restored_simulation_is_the_same(tmp_path: Path) -> None:
    """A checkpoint holds fields, parameters, boundary, reach and the number of steps."""
    with simulation() as sim:
        path = sim.run(5).checkpoint(tmp_path / "five.sim")
    with Simulation.restore(path, corners, workers=1) as sim:
        assert sim.steps == 5
        assert np.array_equal(sim.run(4).read("n"), after(9))


@pytest.mark.parametrize("compress", [False, True])
def test_a_checkpoint_holds_the_state_before(compress: bool, tmp_path: Path) -> None:
    """A wave goes on after a checkpoint as it would have without."""
    rng = np.random.default_rng(5)
    fields, parameters = {"p": rng.random((5, 6, 7), np.float32)}, {"speed": 0.1 * rng.random((5, 6, 7))}
    with Simulation((5, 6, 7), wave, fields, parameters=parameters) as sim:
        path = sim.run(3).checkpoint(tmp_path / "wave.sim", compress=compress)
        want = sim.run(3).read("p")
    with Simulation.restore(path, wave) as sim:
        assert np.array_equal(sim.run(3).read("p"), want)


def test_a_checkpoint_leaves_no_pieces(tmp_path: Path) -> None:
    """A checkpoint takes the place of the one before, and nothing else is left in the folder."""
    with simulation() as sim:
        for _ in range(2):
            sim.run(1).checkpoint(tmp_path / "state.sim")
    assert [found.name for found in tmp_path.iterdir()] == ["state.sim"]


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """A changed bit anywhere, a cut file, a foreign one and one of a later version are told apart."""
    with simulation() as sim:
        whole = sim.checkpoint(tmp_path / "a.sim").read_bytes()
    damaged = tmp_path / "b.sim"
    for at in (13, 40, len(whole) // 2, len(whole) - 1):
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(UserError, match="damaged"):
            Simulation.restore(damaged, corners)
    damaged.write_bytes(whole[:-100])
    with pytest.raises(UserError, match="damaged"):
        Simulation.restore(damaged, corners)
    damaged.write_bytes(b"something else entirely")
    with pytest.raises(UserError, match="no checkpoint"):
        Simulation.restore(damaged, corners)
    damaged.write_bytes(whole[:8] + b"\x09" + whole[9:])
    with pytest.raises(UserError, match="version 9"):
        Simulation.restore(damaged, corners)


def test_a_checkpoint_belongs_to_its_step(tmp_path: Path) -> None:
    """Another step function takes a checkpoint over only when it is told to."""
    with Simulation((8, 8), diffuse, {"u": 1.0}, parameters={"k": 0.1}) as sim:
        path = sim.checkpoint(tmp_path / "heat.sim")
    again = gy.func(diffuse.__gyral_func__)
    Simulation.restore(path, again).stop()

    @gy.func
    def slower(u, k):
        return u[0, 0] + 0.5 * k * (u[-1, 0] + u[1, 0] + u[0, -1] + u[0, 1] - 4.0 * u[0, 0])

    with pytest.raises(UserError, match="another step function"):
        Simulation.restore(path, slower)
    Simulation.restore(path, slower, changed=True).stop()


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails the old file stays, and the half of the new one goes."""

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with simulation() as sim:
        path = sim.checkpoint(tmp_path / "a.sim")
        before = path.read_bytes()
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            sim.run(1).checkpoint(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.sim"]


def test_a_stopped_simulation_is_over() -> None:
    """Its threads have ended, stopping again is harmless, and everything else is refused."""
    sim = simulation()
    sim.run(1)
    names = {t.name for t in threading.enumerate()}
    sim.stop()
    sim.stop()
    assert {name for name in names if name.startswith("gyral-corners")} != set()
    assert [t.name for t in threading.enumerate() if t.name.startswith("gyral-corners")] == []
    for use in (sim.pause, sim.resume, sim.wait, lambda: sim.run(1), lambda: sim.read("n")):
        with pytest.raises(StateError, match="stopped"):
            use()


def test_stopping_ends_a_run() -> None:
    """A simulation that runs without an end is stopped at once."""
    sim = simulation(workers=1)
    sim.start()
    sim.stop()
    assert "stopped" in repr(sim)


def test_a_running_simulation_is_not_started() -> None:
    """A second start is refused while the first goes on."""
    with simulation(workers=1) as sim:
        sim.start()
        with pytest.raises(StateError, match="running"):
            sim.start(5)


def test_an_interrupt_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a run leaves the simulation paused between two steps, with steps left."""
    with simulation() as sim:

        def interrupted(timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(sim, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                sim.run(1 << 30)
        assert (sim.running, sim.pending > 0) == (False, True)


def test_a_forked_child_has_no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process the threads are not there, and that is said."""
    with simulation() as sim:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(StateError, match="forked child"):
                sim.run(1)
        sim.run(1)


def test_a_block_that_waits_too_long_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches end when blocks cannot wait for each other, and the next ones go on where they stopped."""
    monkeypatch.setattr(steppers, "DEVICE_SPINS", 3)
    layout = Layout((12, 20), 1, PERIODIC)
    division = Division(layout, 6)
    told = declared(corners, (12, 20), {"n": grid()}, {})
    kernel = kernel_of(told.program, division, block=16, resident=True)
    stepper = steppers.Launched(gy.device("cpu"), kernel, division.table(), 6, 4, True)
    cells = stepper.make(2 * layout.size, np.dtype(np.int32))
    first = np.zeros(layout.size, np.int32)
    layout.cells(first)[...] = grid()
    layout.fill_edges(first)
    stepper.write(cells, 0, first)
    stepper.take([cells], [])
    stepper.run(30)
    stepper.wait()
    newest = stepper.read(cells, stepper.level * layout.size, layout.size)
    assert (stepper.way, stepper.done, stepper.launches > 1) == ("resident", 30, True)
    assert np.array_equal(layout.cells(newest), after(30))
    stepper.close()


def test_a_failed_check_is_raised() -> None:
    """Under checks a step's assert reaches the caller, with its line."""
    with (
        gy.options(check=True),
        Simulation(40, insists, {"u": 0.0}) as sim,
        pytest.raises(KernelFault, match="assert"),
    ):
        sim.run(10)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no func": (lambda: Simulation(4, abs, {"u": 1.0}), UserError, "made with @gy.func"),
    "no fields": (lambda: Simulation(4, writes, {}), UserError, "at least one field"),
    "field of a wrong shape": (
        lambda: Simulation((4, 4), diffuse, {"u": np.zeros((4, 5))}, parameters={"k": 1.0}),
        UserError,
        r"shape \(4, 5\), and the grid \(4, 4\)",
    ),
    "no such parameter": (lambda: Simulation((4, 4), diffuse, {"u": 1.0}), UserError, "takes 'k'"),
    "parameter not taken": (
        lambda: Simulation((4, 4), diffuse, {"u": 1.0}, parameters={"k": 1.0, "kk": 2.0}),
        UserError,
        "does not take the parameter 'kk'",
    ),
    "parameter of a wrong shape": (
        lambda: Simulation((4, 4), diffuse, {"u": 1.0}, parameters={"k": np.zeros(3)}),
        UserError,
        "'k' has the shape",
    ),
    "field and parameter": (
        lambda: Simulation((4, 4), diffuse, {"u": 1.0}, parameters={"u": 1.0}),
        UserError,
        "both a field and a parameter",
    ),
    "no type": (
        lambda: Simulation((4, 4), diffuse, {"u": "x"}, parameters={"k": 1.0}),
        UserError,
        "'u'|dtype",
    ),
    "vectors": (lambda: Simulation(4, writes, {"u": gy.f32x3}), UserError, "single numbers"),
    "shape": (lambda: Simulation((0, 4), diffuse, {"u": 1.0}), UserError, "1 to 3 extents"),
    "axes": (lambda: Simulation((2, 2, 2, 2), diffuse, {"u": 1.0}), UserError, "1 to 3 extents"),
    "boundary": (lambda: Simulation(4, writes, {"u": 1.0}, boundary="wall"), UserError, "a boundary is"),
    "reach": (lambda: Simulation(4, writes, {"u": 1.0}, reach=0), UserError, "reach is a whole number"),
    "short ring": (
        lambda: Simulation((2, 4), diffuse, {"u": 1.0}, parameters={"k": 1.0}, boundary="periodic", reach=3),
        UserError,
        "shorter than the reach",
    ),
    "too large": (
        lambda: Simulation((1 << 11,) * 3, wave, {"p": 1.0}, parameters={"speed": 1.0}),
        UserError,
        "2\\*\\*31",
    ),
    "writes": (lambda: Simulation(4, writes, {"u": 1.0}), CompileError, "GY902.*does not write"),
    "far": (lambda: Simulation(4, looks_far, {"u": 1.0}), CompileError, "GY901.*3 cells away"),
    "anywhere": (
        lambda: Simulation(4, looks_anywhere, {"u": 1.0}, parameters={"k": 1}),
        CompileError,
        "GY306.*distance",
    ),
    "whole": (lambda: Simulation(4, takes_all, {"u": 1.0}), CompileError, r"GY903(.|\n)*u\[0\]"),
    "flat": (lambda: Simulation((4, 4), too_flat, {"u": 1.0}), CompileError, "GY401"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    """A wrong simulation is refused when it is made, in words that say what is wrong."""
    make, error, match = REFUSED[case]
    with pytest.raises(error, match=match):
        make()


def test_a_step_gives_a_value_per_field() -> None:
    """A step that gives too much is refused, with the fields in their order."""
    with pytest.raises(CompileError) as caught:
        Simulation(4, two_for_one, {"u": 1.0})
    assert caught.value.__notes__ == ["a step gives the next value of each field, in this order: u"]


def test_wrong_requests_are_refused() -> None:
    """Unknown names, shapes that do not fit and numbers that are none leave the simulation as it was."""
    with Simulation((8, 8), gray_scott, {"u": 1.0, "v": 0.0}, parameters={"feed": 0.1, "kill": 0.1}) as sim:
        wrong: list[tuple[Any, str]] = [
            (lambda: sim.read("w"), "no field 'w'"),
            (lambda: sim.read("u_before"), "no field 'u_before'"),
            (lambda: sim.inject("w", 0, 1), "no field 'w'"),
            (lambda: sim.inject("u", np.s_[0:2, 0:2], np.zeros(3)), "cannot be set so"),
            (lambda: sim.inject("u", 9, 1), "cannot be set so"),
            (lambda: sim.set(grow=1.0), "no parameter 'grow'"),
            (lambda: sim.set(feed=np.zeros((8, 8))), "single number"),
            (lambda: sim.set(feed="much"), "is a number"),
            (lambda: sim.run(-1), "steps is a whole number"),
            (lambda: sim.run(1.5), "steps is a whole number"),
            (lambda: sim.run(1 << 40), "at most"),
        ]
        for use, match in wrong:
            with pytest.raises(UserError, match=match):
                use()
        assert sim.steps == 0
