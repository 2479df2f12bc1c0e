"""A fluid that carries the photograph away: Stam's stable fluids on the pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.cli.demo import kernels, loader, reference
from gyral.cli.demo.png import eight_bits
from gyral.cli.demo.section import Results, Section

COMPARED_STEPS = 2
PICTURE_STEPS = 60
RELAXATIONS = 40
# Eddies at the start: centre as parts of height and width, radius as a part of the height, pixels a step.
EDDIES = (
    (0.35, 0.33, 0.13, 2.5),
    (0.62, 0.50, 0.15, -2.5),
    (0.30, 0.70, 0.14, -2.0),
    (0.70, 0.80, 0.13, 2.5),
    (0.75, 0.20, 0.11, -3.0),
)

Plane = NDArray[Any]


def eddies(height: int, width: int) -> tuple[Plane, Plane]:
    """The flow at the start, across and down, in pixels a step; none of it leaves the picture."""
    y, x = np.indices((height, width)) + 0.5
    stream = np.zeros((height, width))
    for centre_y, centre_x, radius, speed in EDDIES:
        size = radius * height
        distance = ((y - centre_y * height) ** 2 + (x - centre_x * width) ** 2) / size**2
        stream += speed * size * np.exp(0.5 - 0.5 * distance)
    stream *= np.sin(np.pi * y / height) * np.sin(np.pi * x / width)
    down, across = np.gradient(stream)
    return down.astype(np.float32), -across.astype(np.float32)


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
    def holding(cls, photo: Plane, flow: tuple[Plane, Plane]) -> "Fluid":
        """A fluid at its first moment: its flow, and an image of shape (height, width, 3) for its colours."""
        height, width = photo.shape[:2]
        across, down = (part.copy() for part in flow)
        ink = [np.ascontiguousarray(photo[:, :, channel]) for channel in range(3)]
        blank = [np.zeros((height, width), np.float32) for _ in range(8)]
        return cls(across, down, ink, blank[0], blank[1], blank[2:])

    def step(self) -> None:
        """One step in time by kernels. The pressure starts from that of the step before, which is near."""
        shape = self.across.shape
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


def by_numpy(photo: Plane, flow: tuple[Plane, Plane], steps: int) -> Results:
    """The same steps in NumPy."""
    across, down = flow
    ink = [photo[:, :, channel] for channel in range(3)]
    pressure = np.zeros_like(across)
    for _ in range(steps):
        source = reference.divergence(across, down)
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
        size=f"{photo.shape[1]} × {photo.shape[0]}",
        ours=lambda: by_kernels(COMPARED_STEPS),
        numpy=lambda: by_numpy(photo, flow, COMPARED_STEPS),
        # Coordinates of some hundred pixels carry 3e-5 of rounding, which the slopes of the fields hand on.
        tolerances={"across": 1e-3, "down": 1e-3, "ink": 1e-3},
        pictures=lambda results: {
            "fluid.png": eight_bits(np.asarray(by_kernels(PICTURE_STEPS)["ink"], np.float32))
        },
    )
