"""The real input that comes with the demo; `data/NOTICE` names its sources and licences."""

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Flights:
    """All flights that left New York City in 2013, one element per flight.

    `hour` of scheduled departure, 0 … 23; `delay` of departure in minutes, NaN when cancelled;
    `distance` in miles.
    """

    hour: NDArray[np.uint8]
    delay: NDArray[np.float32]
    distance: NDArray[np.int32]


def photograph() -> NDArray[np.float32]:
    """The photograph as (height, width, 3) values 0 … 1."""
    with as_file(files("gyral.cli.demo") / "data" / "photograph.npz") as path, np.load(path) as stored:
        return stored["rgb"].astype(np.float32) / np.float32(255)


def flights() -> Flights:
    """The table of flights."""
    with as_file(files("gyral.cli.demo") / "data" / "flights.npz") as path, np.load(path) as stored:
        return Flights(stored["hour"], stored["delay"], stored["distance"].astype(np.int32))
