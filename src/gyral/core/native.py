"""The compiled part of Gyral, or the reason why it is missing.

Without it everything but launching on the CPU works: kernels are still compiled, shown and interpreted.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gyral.core.errors import UnsupportedError

try:
    import gyral._native as _loaded
except ImportError as error:
    module: ModuleType | None = None
    _reason = str(error)
else:
    module = _loaded
    _reason = ""


def require() -> Any:
    """The native module; UnsupportedError with the reason and the remedy when it was not built."""
    if module is None:
        raise UnsupportedError(
            f"the CPU device needs Gyral's native module, which is not there ({_reason}); "
            "reinstall Gyral with a C compiler at hand"
        )
    return module


class _Missing:
    """Stands in for the native dispatcher so that kernels can be defined without it."""

    rank: int = 0

    def __getitem__(self, key: object) -> Any:
        return require()  # which raises: nothing can be launched


Dispatcher: Any = _Missing if module is None else module.Dispatcher
"""What a kernel derives from: finds the plan that fits a launch and runs it."""
