"""A step of a simulation that stays on its device, against the replay of a graph and a launch per step.

python benchmarks/simulation.py [--rounds 9] [--device cpu] [--json file]

The same grid, the same arithmetic, memory of the same size; each series ends when the device is done.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gyral as gy
from measures import Measure
from terminal import console, publish

SHAPES = ((16, 16), (64, 64), (256, 256), (1024, 1024), (32, 32, 32), (64, 64, 64), (128, 128, 128))
SERIES = 0.1  # seconds of one timed series
RECORDED = 64  # steps of a recorded graph
CHECKED = 2 * RECORDED
K = 0.1


@gy.func
def plane_step(u):
    here = u[0, 0]
    return here + K * (u[-1, 0] + u[1, 0] + u[0, -1] + u[0, 1] - 4.0 * here)


@gy.func
def space_step(u):
    here = u[0, 0, 0]
    around = u[-1, 0, 0] + u[1, 0, 0] + u[0, -1, 0] + u[0, 1, 0] + u[0, 0, -1] + u[0, 0, 1]
    return here + K * (around - 6.0 * here)


@gy.kernel
def plane(u: gy.In[gy.Array[gy.f32, 2]], v: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    here = u[i + 1, j + 1]
    v[i + 1, j + 1] = here + K * (u[i, j + 1] + u[i + 2, j + 1] + u[i + 1, j] + u[i + 1, j + 2] - 4.0 * here)


@gy.kernel
def space(u: gy.In[gy.Array[gy.f32, 3]], v: gy.Array[gy.f32, 3]):
    i, j, k = gy.global_ids(3)
    here = u[i + 1, j + 1, k + 1]
    around = u[i, j + 1, k + 1] + u[i + 2, j + 1, k + 1] + u[i + 1, j, k + 1] + u[i + 1, j + 2, k + 1]
    around = around + u[i + 1, j + 1, k] + u[i + 1, j + 1, k + 2]
    v[i + 1, j + 1, k + 1] = here + K * (around - 6.0 * here)


class Ways:
    """The ways to take steps on one grid. Each takes an even number of steps."""

    def __init__(self, shape: tuple[int, ...], device: gy.Device) -> None:
        start = np.random.default_rng(1).random(shape, np.float32)
        self.shape, self.device, self.start = shape, device, start
        step, kernel = (plane_step, plane) if len(shape) == 2 else (space_step, space)
        self.simulation = gy.Simulation(shape, step, {"u": start}, device=device)
        hosts = [np.pad(start, 1), np.zeros([n + 2 for n in shape], np.float32)]
        unified = device.capabilities.unified
        self.arrays = hosts if unified else [gy.array(host, device=device) for host in hosts]
        u, v = self.arrays
        self.bound = [kernel.bind(shape, u, v), kernel.bind(shape, v, u)]
        self.batch = gy.Batch()
        for _ in range(RECORDED // 2):
            self.batch.add(kernel, shape, u, v).add(kernel, shape, v, u)
        self.batch.build()
        self.kernel = kernel

    def all(self) -> dict[str, Callable[[int], object]]:
        """A name for each way, and what takes some steps by it."""
        return {
            "resident": self.simulation.run,
            "graph replay": self.replays,
            "bound launches": self.launches,
            "kernel[n](...)": self.calls,
        }

    def replays(self, steps: int) -> None:
        """Replay the recorded steps."""
        for _ in range(steps // RECORDED):
            self.batch()
        self.device.synchronize()

    def launches(self, steps: int) -> None:
        """A launch for each step, checked before."""
        there, back = self.bound
        for _ in range(steps // 2):
            there()
            back()
        self.device.synchronize()

    def calls(self, steps: int) -> None:
        """A launch for each step, as it is written."""
        u, v = self.arrays
        for _ in range(steps // 2):
            self.kernel[self.shape](u, v)
            self.kernel[self.shape](v, u)
        self.device.synchronize()

    def check(self) -> None:
        """Raises unless all ways lead to the same cells."""
        inside = (slice(1, -1),) * len(self.shape)
        wanted = self.simulation.run(CHECKED).read("u")
        for name, way in self.all().items():
            if name == "resident":
                continue
            padded = np.pad(self.start, 1)
            for array in self.arrays:
                if isinstance(array, np.ndarray):
                    array[...] = padded
                else:
                    array.copy_from(padded)
            way(CHECKED)
            if not np.allclose(np.asarray(self.arrays[0])[inside], wanted, rtol=1e-4, atol=1e-5):
                raise ValueError(f"{name} over {self.shape} gives other cells than the simulation")


def microseconds(way: Callable[[int], object], steps: int) -> tuple[float, int]:
    """One step's time over a series long enough, and how many steps that was."""
    while True:
        began = time.perf_counter()
        way(steps)
        took = time.perf_counter() - began
        if took >= SERIES / 2:
            return 1e6 * took / steps, steps
        steps *= 2


def measured(shape: tuple[int, ...], rounds: int, device: gy.Device) -> list[Measure]:
    """All ways in turn, round after round; ratios within a round."""
    ways = Ways(shape, device)
    ways.check()
    counts = dict.fromkeys(ways.all(), RECORDED)
    times: dict[str, list[float]] = {name: [] for name in counts}
    for number in range(rounds + 1):
        for name, way in ways.all().items():
            took, counts[name] = microseconds(way, counts[name])
            if number:  # the first round warms up
                times[name].append(took)
    label = " × ".join(map(str, shape))
    way = ways.simulation.way
    found = [
        Measure(f"{label}: {name if name != 'resident' else way}", "µs", values)
        for name, values in times.items()
    ]
    for other in ("graph replay", "bound launches"):
        ratios = [a / b for a, b in zip(times["resident"], times[other], strict=True)]
        found.append(Measure(f"{label}: {way} over {other}", "×", ratios))
    ways.simulation.stop()
    ways.batch.close()
    return found


def notes(figures: list[Measure]) -> list[str]:
    """Where the simulation is not the fastest."""
    slower = [f.what for f in figures if f.unit == "×" and statistics.median(f.values) > 1]
    return [f"slower than the other: {what}" for what in slower]


def main(given: list[str]) -> int:
    """Measures, shows and records."""
    parser = argparse.ArgumentParser(description="Resident steps against replays and launches.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--most", type=int, default=1 << 21, help="cells of the largest grid")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    device = gy.device(options.device)
    shapes = [shape for shape in SHAPES if np.prod(shape) <= options.most]
    figures = [m for shape in shapes for m in measured(shape, max(1, options.rounds), device)]
    title = f"Steps of a simulation, on {device.name}"
    suffix = "-simulation" if device.kind == "cpu" else f"-simulation-{device.kind}"
    publish(title, figures, console(), options.json, suffix, notes(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
