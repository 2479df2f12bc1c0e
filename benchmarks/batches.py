"""What twenty small launches cost as one batch, against the same launches one by one.

python benchmarks/batches.py [--rounds 15] [--device cpu]
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gyral as gy
from measures import Measure
from terminal import console, publish

LAUNCHES = 20
SIZES = (16, 1024, 16384)
BATCH = 0.02  # seconds of one timed series


@gy.kernel
def saxpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


def forms(size: int, device: gy.Device) -> dict[str, Callable[[], object]]:
    """Ways to do the same: each launch reads what the one before it wrote."""
    hosts = [np.zeros(size, np.float32) for _ in range(LAUNCHES + 1)]
    unified = device.capabilities.unified
    arrays = hosts if unified else [gy.array(host, device=device) for host in hosts]
    batch, fused = gy.Batch(), gy.Batch(fuse=True)
    bound = []
    for before, after in itertools.pairwise(arrays):
        batch.add(saxpy, size, 1.0, before, after)
        fused.add(saxpy, size, 1.0, before, after)
        bound.append(saxpy.bind(size, 1.0, before, after))

    def launches() -> None:
        for before, after in itertools.pairwise(arrays):
            saxpy[size](1.0, before, after)

    def bound_launches() -> None:
        for each in bound:
            each()

    hosts[0][:] = 1
    if not unified:
        arrays[0].fill(1)
    check(batch, arrays, size)
    return {"kernel[n](...)": launches, "bound()": bound_launches, "batch()": batch, "fused batch()": fused}


def check(batch: gy.Batch, arrays: list, size: int) -> None:
    """Raises when one replay does not carry the first array to the last."""
    batch()
    last = np.asarray(arrays[-1])
    if not np.array_equal(last, np.ones(size, np.float32)):
        raise ValueError(f"a batch over {size} elements gave a wrong result")


def microseconds(form: Callable[[], object], device: gy.Device) -> float:
    """One call's time, over a series of calls that ends when the device is done."""
    count, took = 1, 0.0
    while took < BATCH:
        began = time.perf_counter()
        for _ in range(count):
            form()
        device.synchronize()
        took = time.perf_counter() - began
        count *= 2
    return 1e6 * took / (count // 2)


def measured(size: int, rounds: int, device: gy.Device) -> list[Measure]:
    """All forms in turn, round after round; ratios within a round."""
    ways = forms(size, device)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, form in ways.items():
            took = microseconds(form, device)
            if number:  # the first round warms up
                times[name].append(took)
    found = [Measure(f"{LAUNCHES} of {size}: {name}", "µs", values) for name, values in times.items()]
    goal = 0.5 if size <= 1024 else None
    for other in ("kernel[n](...)", "bound()"):
        ratios = [a / b for a, b in zip(times["batch()"], times[other], strict=True)]
        most = goal if other == "kernel[n](...)" else None
        found.append(Measure(f"{LAUNCHES} of {size}: batch() over {other}", "×", ratios, most))
    return found


def main(given: list[str]) -> int:
    """Measures, shows and records; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description="Twenty small launches as one batch.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    device = gy.device(options.device)
    figures = [m for size in SIZES for m in measured(size, max(1, options.rounds), device)]
    title = f"Twenty small launches as a batch, on {device.name}"
    return 0 if publish(title, figures, console(), options.json, "-batches") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
