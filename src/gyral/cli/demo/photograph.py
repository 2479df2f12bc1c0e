"""The image pipeline: brightness, Gaussian blur, edges, sharpening and tone."""

import numpy as np
from numpy.typing import NDArray

from gyral.cli.demo import kernels, loader, reference
from gyral.cli.demo.png import eight_bits
from gyral.cli.demo.section import Results, Section

RADIUS = 6
AMOUNT = 1.2


def gaussian(radius: int) -> NDArray[np.float32]:
    """Weights of a Gaussian cut off at three standard deviations; their sum is 1."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / (radius / 3)) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def section() -> Section:
    """The pipeline on the photograph that comes with the demo."""
    photo = loader.photograph()
    weights = gaussian(RADIUS)
    shape = photo.shape[:2]
    grey, rows, blurred, edges = (np.empty(shape, np.float32) for _ in range(4))
    developed = np.empty_like(photo)

    def ours() -> Results:
        kernels.luma[shape](photo, grey)
        kernels.blur_rows[shape](grey, weights, rows)
        kernels.blur_columns[shape](rows, weights, blurred)
        kernels.edges[shape](blurred, edges)
        kernels.develop[shape](photo, grey, blurred, AMOUNT, developed)
        return {"blurred": blurred, "edges": edges, "developed": developed}

    def numpy() -> Results:
        grey = reference.luma(photo)
        blurred = reference.blur(grey, weights)
        edges = reference.edges(blurred)
        return {
            "blurred": blurred,
            "edges": edges,
            "developed": reference.develop(photo, grey, blurred, AMOUNT),
        }

    return Section(
        name="photograph",
        size=f"{shape[1]} × {shape[0]}",
        ours=ours,
        numpy=numpy,
        # Sums of up to 13 values of order 1, rounded in another order.
        tolerances={"blurred": 1e-5, "edges": 1e-5, "developed": 1e-5},
        pictures=lambda results: {
            "photograph.png": eight_bits(photo),
            "blurred.png": eight_bits(np.asarray(results["blurred"], np.float32)),
            "edges.png": eight_bits(1 - 2 * np.asarray(results["edges"], np.float32)),
            "developed.png": eight_bits(np.asarray(results["developed"], np.float32)),
        },
    )
