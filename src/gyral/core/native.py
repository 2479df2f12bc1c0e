"""The compiled part of Gyral, or the reason why it is missing.

Without it everything but launching on the CPU works: kernels are still compiled, shown and interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeAlias

from gyral.core.errors import UnsupportedError

try:
    import gyral._native as _loaded
except ImportError as error:
    module: ModuleType | None = None
    _reason = str(error)
else:
    module = _loaded
    _reason = ""


def require(what: str = "the CPU device") -> Any:
    """The native module; UnsupportedError with the reason and the remedy when it was not built."""
    if module is None:
        raise UnsupportedError(
            f"{what} needs Gyral's native module, which is not there ({_reason}); "
            "reinstall Gyral with a C compiler at hand"
        )
    return module


Shape: TypeAlias = SupportsIndex | tuple[SupportsIndex, ...]

if TYPE_CHECKING or module is None:

    class Dispatcher:
        """What a kernel derives from: finds the plan that fits a launch and runs it.

        This one stands in for the native one, so that kernels can be defined without it.
        """

        rank: int = 0
        plans: Sequence[Any] = ()

        def __getitem__(self, key: Shape | tuple[Shape, Shape]) -> Callable[..., None]:
            """A launch of a shape, or of a shape and a block; call it with the kernel's arguments."""
            return require()  # which raises: nothing can be launched

        def add_plan(self, plan: Any) -> None:
            """Try this plan, before those that are held, on the launches to come."""
            require()

        def clear_plans(self) -> None:
            """Drop the plans that are held."""

    class DeviceArrayBase:
        """What an array in device memory derives from: what a launch must know of it."""

        __slots__ = ("address", "buffer", "device", "dtype", "shape", "strides")

        def __init__(
            self,
            device: Any,
            buffer: Any,
            dtype: Any,
            shape: tuple[int, ...],
            strides: tuple[int, ...],
            address: int,
        ) -> None:
            self.device = device
            self.buffer = buffer
            self.dtype = dtype
            self.shape = shape
            self.strides = strides
            self.address = address

    class DeviceQueue:
        """What the queues of a driver derive from when the native module launches on them."""

        launcher: Any
        handle: int
        milestone: int
        serial: int
        completed: int
        open: int

        def __new__(cls, launcher: Any, handle: int, milestone: int = 0) -> Self:
            """UnsupportedError: there is nothing that launches."""
            return require("this device")

        def advance(self) -> int:
            """Count something that was just put on it; gives its number."""
            return require("this device")

    class DeviceMemory:
        """What the memory of such a driver derives from."""

        launcher: Any
        address: int
        nbytes: int
        marks: dict[int, Any]
        exposed: int

        def __new__(cls, launcher: Any, address: int, nbytes: int) -> Self:
            """UnsupportedError: there is nothing that launches."""
            return require("this device")

    class Ref:
        """What a reference to an actor derives from: sends without Python."""

        __slots__ = ("gen", "mail", "slot")

        slot: int
        gen: int
        mail: Any

        def __new__(cls, mail: Any, slot: int, gen: int, accepts: Any) -> Self:
            """UnsupportedError: there is nothing that sends."""
            return require("a system of actors")

        def tell(self, message: Any, *fields: Any, **options: Any) -> None:
            """Send a message, or one made of a message class and its fields."""
            require("a system of actors")

        def tell_many(self, messages: Any, kind: Any = None) -> int:
            """Send as many as there is room for; how many."""
            return require("a system of actors")

        def ask_sync(self, message: Any, timeout: float | None = None) -> Any:
            """Send a message and wait for the reply."""
            return require("a system of actors")

        def ask_begin(self, message: Any, *fields: Any, **options: Any) -> int:
            """Send a message whose reply is collected from the mail."""
            return require("a system of actors")

else:
    Dispatcher = module.Dispatcher
    Ref = getattr(module, "Ref", object)  # until it is built
    DeviceQueue = module.DeviceQueue
    DeviceMemory = module.DeviceMemory
    DeviceArrayBase = module.DeviceArrayBase
