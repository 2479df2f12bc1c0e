"""Two substances that react and spread grow spots and mazes: Gray and Scott's model on a plane.

python examples/reaction_diffusion.py [--size 256] [--steps 10000] [--device cpu] [--png last.png]
"""

import sys

import numpy as np

import gyral as gy
from drive import drive, options
from screen import colours

COLOURS = [(8, 12, 40), (20, 80, 140), (60, 190, 170), (250, 230, 140), (250, 250, 245)]
EVERY = 100


@gy.func
def gray_scott(u, v, feed, kill):
    made = u[0, 0] * v[0, 0] * v[0, 0]
    spread_u = u[-1, 0] + u[1, 0] + u[0, -1] + u[0, 1] - 4.0 * u[0, 0]
    spread_v = v[-1, 0] + v[1, 0] + v[0, -1] + v[0, 1] - 4.0 * v[0, 0]
    next_u = u[0, 0] + 0.2 * spread_u - made + feed * (1.0 - u[0, 0])
    next_v = v[0, 0] + 0.1 * spread_v + made - (feed + kill) * v[0, 0]
    return next_u, next_v


def main() -> int:
    parser = options("Gray and Scott's reaction and diffusion", 256, 10_000)
    parser.add_argument("--feed", type=float, default=0.037, help="how fast u is fed (0.037)")
    parser.add_argument("--kill", type=float, default=0.06, help="how fast v is taken away (0.06)")
    given = parser.parse_args()
    shape = (given.size, given.size)
    with gy.Simulation(
        shape,
        gray_scott,
        {"u": 1.0, "v": 0.0},
        boundary="periodic",
        parameters={"feed": given.feed, "kill": given.kill},
        device=given.device,
    ) as sim:
        random = np.random.default_rng(7)
        for _ in range(12):
            i, j = random.integers(0, given.size, 2)
            patch = np.s_[i : i + 8, j : j + 8]
            sim.inject("u", patch, 0.5).inject("v", patch, 0.25)
        return drive(sim, given, EVERY, lambda: colours(sim.read("v") * 2.5, COLOURS))


if __name__ == "__main__":
    sys.exit(main())
