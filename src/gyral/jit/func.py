"""Functions that kernels call: `@func`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gyral.core.errors import UserError


class Func:
    """A function for use inside kernels, specialised by the arguments of each call. Made by `@gyral.func`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.__gyral_func__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Outside a kernel there is nothing to run: UserError."""
        raise UserError(
            f"{self.__gyral_func__.__name__} is a @gy.func and is called inside kernels; "
            "call a plain function on the host"
        )

    def __repr__(self) -> str:
        return f"<func {self.__gyral_func__.__name__}>"


def func(function: Callable[..., Any]) -> Func:
    """Make a function callable from kernels. It takes its caller's options."""
    if not hasattr(function, "__code__"):
        raise UserError(f"a kernel function is made of a plain function, not of {function!r}")
    return Func(function)
