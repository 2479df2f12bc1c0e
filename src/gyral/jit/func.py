"""Functions that kernels call: `@func`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from gyral.core.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")


class Func(Generic[P, R]):
    """A function for use inside kernels, specialised by the arguments of each call. Made by `@gyral.func`."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.__gyral_func__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Outside a kernel there is nothing to run: UserError."""
        raise UserError(
            f"{self.__gyral_func__.__name__} is a @gy.func and is called inside kernels; "
            "call a plain function on the host"
        )

    def __repr__(self) -> str:
        return f"<func {self.__gyral_func__.__name__}>"


def func(function: Callable[P, R]) -> Func[P, R]:
    """Make a function callable from kernels. It takes its caller's options."""
    if not hasattr(function, "__code__"):
        raise UserError(f"a kernel function is made of a plain function, not of {function!r}")
    return Func(function)
