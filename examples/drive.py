"""What the simulations here share: their options, the loop that shows pictures, the report at the end."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import gyral as gy
from screen import Screen, enlarged, write_png


def options(about: str, size: int, steps: int) -> argparse.ArgumentParser:
    """The options every simulation has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--steps", type=int, default=steps, help=f"steps to take ({steps})")
    parser.add_argument("--size", type=int, default=size, help=f"cells along each axis ({size})")
    parser.add_argument("--device", default="cpu", help="where it runs (cpu)")
    parser.add_argument("--png", type=Path, help="write the last picture here")
    parser.add_argument("--frames", type=Path, help="write every picture into this folder")
    parser.add_argument("--json", action="store_true", help="print the report as JSON and draw nothing")
    return parser


def drive(
    sim: gy.Simulation, given: argparse.Namespace, every: int, picture: Callable[[], np.ndarray]
) -> int:
    """Step a simulation, show a picture now and then, report; the exit status. Ctrl-C ends it early."""
    interrupted = False
    image = picture()
    with Screen(not given.json, given.frames) as screen:
        try:
            while sim.steps < given.steps:
                sim.run(min(every, given.steps - sim.steps))
                image = picture()
                screen.show(image, f"step {sim.steps}  {sim.rate:,.0f} steps/s  Ctrl-C ends")
        except KeyboardInterrupt:
            interrupted = True
    if given.png is not None:
        write_png(given.png, enlarged(image))
    cells = int(np.prod(sim.shape))
    report = {
        "shape": list(sim.shape),
        "device": sim.device.name,
        "way": sim.way,
        "steps": sim.steps,
        "launches": sim.launches,
        "steps_per_second": round(sim.rate, 1),
        "cells_per_second": round(sim.rate * cells),
        "interrupted": interrupted,
    }
    if given.json:
        print(json.dumps(report))
    else:
        shape = " x ".join(map(str, sim.shape))
        print(
            f"{shape} cells, {sim.steps} steps on {sim.device.name} ({sim.way}, {sim.launches} launches): "
            f"{sim.rate:,.0f} steps/s, {sim.rate * cells / 1e6:,.0f} million cells/s"
        )
    sys.stdout.flush()
    return 130 if interrupted else 0
