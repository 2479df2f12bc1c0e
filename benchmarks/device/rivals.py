"""What runs a job: Gyral, or kernels written by hand and launched through the vendor's own interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import gyral as gy
from gyral.cli.bench import kernels
from gyral.core.driver import Timing
from jobs import Step

HERE = Path(__file__).parent
Launch = Callable[[], None]


class Missing(Exception):
    """A device, a library or a compiler that is not here."""


class Rival(Protocol):
    """One way of running jobs on a device. `versions` goes into the record."""

    name: str
    versions: Mapping[str, str]

    def put(self, array: np.ndarray) -> Any:
        """A copy of an array on the device."""
        ...

    def get(self, held: Any, like: np.ndarray) -> np.ndarray:
        """What the device holds, when all work is done."""
        ...

    def launch(self, step: Step, held: Mapping[str, Any], numbers: Mapping[str, Any]) -> Launch:
        """A launch, ready to be put on the device's queue."""
        ...

    def seconds(self, launches: Sequence[Launch]) -> float:
        """How long these launches take one behind the other, from the first's start to the last's end."""
        ...


class Gyral:
    """The kernels of `gyral.cli.bench.kernels`, bound once: the other side's hold their arguments too."""

    def __init__(self, device: str, clock: Callable[[], float], own_clock: bool) -> None:
        self.name = "gyral"
        try:
            self.device = gy.device(device)
        except gy.UnsupportedError as error:
            raise Missing(str(error)) from error
        self.versions = {"gyral": gy.__version__}
        self._clock = clock
        self._own_clock = own_clock and isinstance(self.device.driver, Timing)

    def put(self, array: np.ndarray) -> gy.DeviceArray:
        return gy.array(array, device=self.device)

    def get(self, held: gy.DeviceArray, like: np.ndarray) -> np.ndarray:
        return held.numpy()

    def launch(self, step: Step, held: Mapping[str, Any], numbers: Mapping[str, Any]) -> Launch:
        given = [held[name] if name in held else numbers[name] for name in step.arguments]
        kernel = getattr(kernels, step.kernel)
        return kernel.bind(step.shape, *given, block=step.block)

    def seconds(self, launches: Sequence[Launch]) -> float:
        driver: Any = self.device.driver
        stream = self.device.current_stream()
        if self._own_clock:
            first = driver.timed_mark(stream.queue)
            for launch in launches:
                launch()
            second = driver.timed_mark(stream.queue)
            driver.wait(second)
            return driver.elapsed_ms(first, second) / 1e3
        began = self._clock()
        for launch in launches:
            launch()
        stream.synchronize()
        return self._clock() - began
