"""A simulation gives what NumPy gives on every device and in the interpreter, for each boundary and rank."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.agreement import needs_device
from tests.cudashim import device as cuda_text
from tests.msl import shim
from tests.simulations import corners, diffuse, expected, gray_scott, line, wave

import gyral as gy
from gyral.actors import steppers
from gyral.actors.board import BLOCKS, DONE, LEVEL, LINE, TARGET, words_for
from gyral.actors.declared import declared
from gyral.actors.halo import Division, Layout
from gyral.actors.simulation import Simulation
from gyral.actors.steptext import kernel_of

DEVICES = [
    "cpu",
    pytest.param("opencl", marks=needs_device("opencl", "pocl-opencl-icd")),
    pytest.param("webgpu", marks=needs_device("webgpu", "mesa-vulkan-drivers")),
]
STEPS = 7


def random(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """Values from 0 to 1."""
    return np.random.default_rng(seed).random(shape, np.float32)


def whole(shape: tuple[int, ...]) -> np.ndarray:
    """Small whole numbers."""
    return np.random.default_rng(2).integers(0, 1000, shape, np.int32)


CASES: dict[str, tuple[Any, dict[str, np.ndarray], Sequence[str], dict[str, Any], int]] = {
    "plane, zero": (diffuse, {"u": random((19, 37))}, ("zero", "zero"), {"k": np.float32(0.1)}, 1),
    "plane, clamp": (diffuse, {"u": random((5, 64))}, ("clamp", "clamp"), {"k": np.float32(0.2)}, 1),
    "two fields, periodic": (
        gray_scott,
        {"u": random((16, 16)), "v": random((16, 16), 3)},
        ("periodic", "periodic"),
        {"feed": np.float32(0.06), "kill": np.float32(0.062)},
        1,
    ),
    "space, mixed": (
        wave,
        {"p": random((6, 7, 21))},
        ("periodic", "clamp", "zero"),
        {"speed": 0.1 * random((6, 7, 21), 4)},
        1,
    ),
    "corners, periodic": (corners, {"n": whole((9, 18))}, ("periodic", "periodic"), {}, 1),
    "corners, mixed": (corners, {"n": whole((9, 18))}, ("zero", "clamp"), {}, 1),
    "line, periodic": (line, {"n": whole((9000,))}, ("periodic",), {}, 2),
    "line, clamp": (line, {"n": whole((33,))}, ("clamp",), {}, 2),
}
"""Name: step, fields, boundary, parameters, reach. Whole numbers must agree exactly."""


def agrees(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether results are equal, floats up to rounding."""
    if got.dtype.kind == "f":
        return np.allclose(got, wanted, rtol=1e-5, atol=1e-5)
    return np.array_equal(got, wanted)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_a_simulation_agrees_with_numpy(case: str, device: str) -> None:
    """Some steps by two blocks or more give the fields that NumPy gives."""
    step, fields, boundary, parameters, reach = CASES[case]
    wanted = expected(step, fields, STEPS, boundary, parameters, reach)
    shape = next(iter(fields.values())).shape
    with Simulation(
        shape, step, fields, boundary=boundary, parameters=parameters, reach=reach, device=device, workers=2
    ) as sim:
        sim.run(STEPS)
        assert [name for name in wanted if not agrees(sim.read(name), wanted[name])] == []


@pytest.mark.parametrize("case", CASES)
def test_the_interpreter_agrees_with_numpy(case: str) -> None:
    """The kernel of a simulation means what NumPy computes."""
    step, fields, boundary, parameters, reach = CASES[case]
    shape = next(iter(fields.values())).shape
    if np.prod(shape) > 1000:
        fields = {name: values[:50] for name, values in fields.items()}
        shape = (50,)
    wanted = expected(step, fields, 2, boundary, parameters, reach)
    layout = Layout(shape, reach, tuple(boundary))
    division = Division(layout, min(2, len(Division(layout, 1).rows)))
    told = declared(step, shape, fields, parameters)
    kernel = kernel_of(told.program, division, block=4, resident=False)
    words = np.zeros(words_for(division.blocks), np.uint32)
    words[TARGET] = 2
    arrays = {}
    for name in (*told.program.fields, *told.program.grids):
        values = fields[name] if name in fields else parameters[name]
        levels = told.program.levels if name in fields else 1
        level = np.zeros(layout.size, values.dtype)
        layout.cells(level)[...] = values
        layout.fill_edges(level)
        arrays[name] = np.tile(level, levels)
    scalars = [told.constants[name] for name in told.program.values]
    for _ in range(2):
        kernel.interpret[4 * division.blocks](words, division.table(), 0, 0, *arrays.values(), *scalars)
    assert words[BLOCKS + DONE :: LINE].tolist() == [2] * division.blocks
    newest = words[BLOCKS + LEVEL] * layout.size
    got = {name: layout.cells(arrays[name][newest : newest + layout.size]) for name in fields}
    assert [name for name in wanted if not agrees(got[name], wanted[name])] == []


@pytest.mark.parametrize("device", DEVICES[1:])
def test_a_checkpoint_goes_on_on_another_device(device: str, tmp_path: Path) -> None:
    """What the CPU has begun another device ends, as if nothing had happened."""
    step, fields, boundary, parameters, reach = CASES["space, mixed"]
    wanted = expected(step, fields, 9, boundary, parameters, reach)["p"]
    with Simulation((6, 7, 21), step, fields, boundary=boundary, parameters=parameters, device="cpu") as sim:
        sim.run(4).checkpoint(tmp_path / "half.sim")
    with Simulation.restore(tmp_path / "half.sim", step, device=device) as sim:
        assert sim.steps == 4
        assert agrees(sim.run(5).read("p"), wanted)


@pytest.mark.parametrize("device", DEVICES[1:])
def test_batched_steps_stop_between_two_batches(device: str) -> None:
    """A pause on a device that is given batches leaves all blocks at one step, and a resume ends the run."""
    step, fields, boundary, *_ = CASES["corners, periodic"]
    with Simulation((9, 18), step, fields, boundary=boundary, device=device) as sim:
        sim.start(200)
        sim.pause()
        done = sim.steps
        wanted = expected(step, fields, done, boundary)["n"]
        assert agrees(sim.read("n"), wanted)
        sim.resume().wait()
        assert (sim.way, sim.steps) == ("batched", 200)
        assert agrees(sim.read("n"), expected(step, fields, 200, boundary)["n"])


@pytest.mark.parametrize("device", DEVICES)
def test_cells_are_injected_everywhere(device: str) -> None:
    """Injected cells are there at the next step, also in the edges that other blocks read."""
    step, fields, boundary, *_ = CASES["corners, periodic"]
    start = fields["n"].copy()
    start[0, :] = 77
    start[4:6, 3] = 5
    with Simulation((9, 18), step, fields, boundary=boundary, device=device, workers=3) as sim:
        sim.inject("n", 0, 77).inject("n", np.s_[4:6, 3], [5, 5])
        assert agrees(sim.run(3).read("n"), expected(step, {"n": start}, 3, boundary)["n"])
        assert gy.device(device) is sim.device


@pytest.mark.skipif(shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12")
@pytest.mark.parametrize("case", ["corners, periodic", "space, mixed"])
def test_cuda_text_stays_and_agrees(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resident loop as CUDA C++ gives NumPy's fields, though its blocks run one after another here."""
    monkeypatch.setattr(steppers, "DEVICE_SPINS", 3)
    cuda_text.device()
    step, fields, boundary, parameters, reach = CASES[case]
    wanted = expected(step, fields, STEPS, boundary, parameters, reach)
    shape = next(iter(fields.values())).shape
    with Simulation(
        shape, step, fields, boundary=boundary, parameters=parameters, device=cuda_text.KIND, workers=3
    ) as sim:
        sim.run(STEPS)
        assert (sim.way, sim.launches > 1) == ("resident", True)
        assert [name for name in wanted if not agrees(sim.read(name), wanted[name])] == []


def test_a_simulation_compiles_for_cuda() -> None:
    """NVRTC takes the resident loop, with its loads and stores that others see."""
    pytest.importorskip("cuda.bindings.nvrtc", reason="no NVRTC: pip install gyral[cuda]")
    step, fields, boundary, parameters, _ = CASES["space, mixed"]
    told = declared(step, (6, 7, 21), fields, parameters)
    division = Division(Layout((6, 7, 21), 1, tuple(boundary)), 4)
    ptx = kernel_of(told.program, division, block=128, resident=True).source("ptx")
    assert (".visible .entry" in ptx, "membar.gl" in ptx or "acquire" in ptx) == (True, True)
