"""A fluid that carries the photograph away: Stam's stable fluids on the pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gyral.cli.demo import kernels, loader, reference
from gyral.cli.demo.png import eight_bits
from gyral.cli.demo.section import Results, Section

COMPARED_STEPS = 2
PICTURE_STEPS = 90
RELAXATIONS = 40
# Eddies at the start: centre as parts of height and width, radius as a part of the height, pixels a step.
EDDIES = (
    (0.45, 0.30, 0.20, 3.0),
    (0.55, 0.62, 0.24, -3.4),
    (0.25, 0.85, 0.14, 2.2),
    (0.80, 0.12, 0.13, -2.0),
)

Plane = NDArray[np.float32]


def eddies(height: int, width: int) -> tuple[Plane, Plane]:
    """The flow at the start, across and down, in pixels a step."""
    y, x = np.indices((height, width), dtype=np.float32)
    across = np.zeros((height, width), np.float32)
    down = np.zeros((height, width), np.float32)
    for centre_y, centre_x, radius, speed in EDDIES:
        dy = (y - centre_y * height) / (radius * height)
        dx = (x - centre_x * width) / (radius * height)
        strength = speed * np.exp(0.5 - 0.5 * (dx * dx + dy * dy))
        across -= strength * dy
        down += strength * dx
    return across, down


@dataclass(slots=True)
class Fluid:
    """The state of the fluid and the memory that its next state is written to."""

    across: Plane
    down: Plane
    ink: list[Plane]
    pressure: Plane
    source: Plane
    spare: list[Plane]

    @classmethod
    def holding(cls, photo: NDArray[np.float32], flow: tuple[Plane, Plane]) -> "Fluid":
        """A fluid at its first moment: its flow, and an image of shape (height, width, 3) for its colours."""
        height, width = photo.shape[:2]
        across, down = (part.copy() for part in flow)
        ink = [np.ascontiguousarray(photo[:, :, channel]) for channel in range(3)]
        blank = [np.zeros((height, width), np.float32) for _ in range(8)]
        return cls(across, down, ink, blank[0], blank[1], blank[2:])

    def step(self) -> None:
        """One step in time by kernels."""
        shape = self.across.shape
        self.pressure.fill(0)
        kernels.divergence[shape](self.across, self.down, self.source)
        for _ in range(RELAXATIONS):
            kernels.relax[shape](self.pressure, self.source, self.spare[0])
            self.pressure, self.spare[0] = self.spare[0], self.pressure
        kernels.project[shape](self.pressure, self.across, self.down)
        fields = [self.across, self.down, *self.ink]
        moved = self.spare[1:]
        for field, out in zip(fields, moved, strict=True):
            kernels.advect[shape](self.across, self.down, field, out)
        self.across, self.down, *self.ink = moved
        self.spare[1:] = fields


def by_numpy(photo: NDArray[np.float32], flow: tuple[Plane, Plane], steps: int) -> Results:
    """The same steps in NumPy."""
    across, down = flow
    ink = [photo[:, :, channel] for channel in range(3)]
    for _ in range(steps):
        source = reference.divergence(across, down)
        pressure = np.zeros_like(source)
        for _ in range(RELAXATIONS):
            pressure = reference.relax(pressure, source)
        across, down = reference.project(pressure, across, down)
        across, down, *ink = [reference.advect(across, down, field) for field in (across, down, *ink)]
    return {"across": across, "down": down, "ink": np.stack(ink, axis=-1)}


def section() -> Section:
    """Two steps compared with NumPy, then as many as make a picture."""
    photo = loader.photograph()
    flow = eddies(*photo.shape[:2])

    def by_kernels(steps: int) -> Results:
        fluid = Fluid.holding(photo, flow)
        for _ in range(steps):
            fluid.step()
        return {"across": fluid.across, "down": fluid.down, "ink": np.stack(fluid.ink, axis=-1)}

    return Section(
        name="fluid",
        size=f"{photo.shape[1]} × {photo.shape[0]} cells, {COMPARED_STEPS} × {RELAXATIONS + 7} launches",
        ours=lambda: by_kernels(COMPARED_STEPS),
        numpy=lambda: by_numpy(photo, flow, COMPARED_STEPS),
        # Coordinates of some hundred pixels carry 3e-5 of rounding, which the slopes of the fields hand on.
        tolerances={"across": 1e-3, "down": 1e-3, "ink": 1e-3},
        pictures=lambda results: {
            "fluid.png": eight_bits(np.asarray(by_kernels(PICTURE_STEPS)["ink"], np.float32))
        },
    )
