"""What one part of the demo consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Results = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """The same job twice, by kernels and by NumPy, and how far the results may be apart.

    `tolerances` names every result that is compared and the largest absolute difference allowed; 0 asks for
    equality. `pictures` makes 8-bit images, (height, width) or (height, width, 3), by file name.
    `facts` makes lines for a reader from our results.
    """

    name: str
    size: str
    ours: Callable[[], Results]
    numpy: Callable[[], Results]
    tolerances: Mapping[str, float]
    pictures: Callable[[Results], Mapping[str, NDArray[np.uint8]]] = lambda results: {}
    facts: Callable[[Results], list[str]] = lambda results: []
