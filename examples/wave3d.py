"""Sound in three dimensions: pulses from a point, walls that swallow them; the picture is the middle plane.

python examples/wave3d.py [--size 96] [--steps 1000] [--device cpu] [--frames folder]
"""

import sys

import numpy as np

import gyral as gy
from drive import drive, options
from screen import colours

COLOURS = [(20, 60, 160), (90, 150, 220), (245, 245, 240), (230, 120, 80), (150, 20, 30)]
EVERY = 8
PULSE_EVERY = 96  # steps from pulse to pulse
RADIUS = 6  # of a pulse, in cells
COURANT = 0.5  # cells that sound goes in a step; stable below 1 / sqrt(3)


@gy.func
def sound(p, p_before, loss):
    here = p[0, 0, 0]
    around = p[-1, 0, 0] + p[1, 0, 0] + p[0, -1, 0] + p[0, 1, 0] + p[0, 0, -1] + p[0, 0, 1]
    swallowed = loss[0, 0, 0]
    moved = 2.0 * here - (1.0 - swallowed) * p_before[0, 0, 0] + COURANT * COURANT * (around - 6.0 * here)
    return moved / (1.0 + swallowed)


def absorbing(size: int, depth: int) -> np.ndarray:
    """How much each cell swallows: nothing inside, more and more towards the walls."""
    along = np.minimum(np.arange(size), np.arange(size)[::-1])
    walls = np.clip(1.0 - along / depth, 0.0, 1.0) ** 2
    return 0.35 * np.maximum.reduce(np.meshgrid(walls, walls, walls, indexing="ij")).astype(np.float32)


def pulse(radius: int) -> np.ndarray:
    """A bump of pressure."""
    x = np.arange(-radius, radius + 1) / (0.5 * radius)
    bump = np.exp(-(x * x))
    return (bump[:, None, None] * bump[:, None] * bump).astype(np.float32)


def main() -> int:
    given = options("Sound from a point in a room with soft walls", 96, 1000).parse_args()
    if given.size < 24:
        sys.exit("the room is at least 24 cells wide")
    n, bump = given.size, pulse(RADIUS)
    where = tuple(slice(c - RADIUS, c + RADIUS + 1) for c in (n // 3, n // 2, n // 2))
    pulses = 0
    with gy.Simulation(
        (n, n, n),
        sound,
        {"p": gy.f32},
        parameters={"loss": absorbing(n, max(4, n // 8))},
        device=given.device,
    ) as sim:

        def picture() -> np.ndarray:
            nonlocal pulses
            if sim.steps >= pulses * PULSE_EVERY:
                pulses += 1
                for name in ("p", "p_before"):
                    sim.inject(name, where, sim.read(name, where) + bump)
            plane = sim.read("p", np.s_[:, :, n // 2])
            return colours(0.5 + np.sign(plane) * np.sqrt(2.0 * np.abs(plane)), COLOURS)

        return drive(sim, given, EVERY, picture)


if __name__ == "__main__":
    sys.exit(main())
