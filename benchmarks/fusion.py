"""A map, a filter and a reduction as one kernel, against three kernels with two arrays between them.

python benchmarks/fusion.py [--rounds 9] [--size 16777216] [--device cpu]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gyral as gy
from chain import affine, positive, total
from measures import Measure
from terminal import console, publish

BLOCK = 1024
GOAL = 1 / 2.5  # of the three kernels' time


def forms(size: int, device: gy.Device) -> dict[str, Callable[[], object]]:
    """Ways to do the same, each checked once against float64."""
    data = np.random.default_rng(5).standard_normal(size).astype(np.float32)
    x = gy.array(data, device=device)
    t, u = gy.empty(size, gy.f32, device=device), gy.empty(size, gy.f32, device=device)
    out = gy.zeros(1, gy.f32, device=device)
    kept = gy.fuse([affine, positive, total])
    one = gy.fuse([affine, positive, total], temporaries=("t", "u"))
    batch = gy.Batch(fuse=True)
    middle, last = batch.temporary(size, gy.f32), batch.temporary(size, gy.f32)
    if device.name == "cpu":
        batch.add(affine, size, 2.0, x, middle, block=BLOCK)
        batch.add(positive, size, middle, last, block=BLOCK).add(total, size, last, out, block=BLOCK)

    def three() -> None:
        affine[size, BLOCK](2.0, x, t)
        positive[size, BLOCK](t, u)
        total[size, BLOCK](u, out)

    ways: dict[str, Callable[[], object]] = {
        "three kernels": three,
        "fused, arrays kept": lambda: kept[size, BLOCK](2.0, x, t, u, out),
        "fused": lambda: one[size, BLOCK](2.0, x, out),
    }
    if len(batch):
        ways["fused by a batch"] = batch
    expected = np.maximum(2 * data.astype(np.float64) + 1, 0).sum()
    for name, form in ways.items():
        out.fill(0)
        form()
        if abs(float(out.numpy()[0]) / expected - 1) > 1e-4:
            raise ValueError(f"{name} gave {out.numpy()[0]}, and {expected} is right")
    return ways


def measured(size: int, rounds: int, device: gy.Device) -> list[Measure]:
    """All forms in turn, round after round; ratios within a round."""
    ways = forms(size, device)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, form in ways.items():
            device.synchronize()
            began = time.perf_counter()
            form()
            device.synchronize()
            if number:  # the first round warms up
                times[name].append(1e3 * (time.perf_counter() - began))
    found = [Measure(name, "ms", values) for name, values in times.items()]
    three = times["three kernels"]
    goal = GOAL if device.kind in ("cpu", "cuda") else None  # emulated devices are not bound by memory
    for name in list(ways)[1:]:
        ratios = [a / b for a, b in zip(times[name], three, strict=True)]
        found.append(Measure(f"{name} over three kernels", "×", ratios, goal if name == "fused" else None))
    return found


def main(given: list[str]) -> int:
    """Measures, shows and records; returns 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description="Three kernels as one.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=1 << 24, help="elements")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    device = gy.device(options.device)
    figures = measured(options.size, max(1, options.rounds), device)
    title = f"Map, filter and reduction of {options.size} floats, on {device.name}"
    return 0 if publish(title, figures, console(), options.json, "-fusion") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
