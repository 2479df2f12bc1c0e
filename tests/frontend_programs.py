"""Lower plain functions for tests, run them in the interpreter, and collect what is refused."""

import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gyral as gy
from gyral.compiler.frontend.lower import Lowered, lower_kernel
from gyral.compiler.interp.launch import run
from gyral.compiler.ir.verify import verify
from gyral.core.dtypes import ArrayType, i32
from gyral.core.errors import CompileError, Diagnostic


def lowered(fn: Callable[..., Any], *types: Any, **options: Any) -> Lowered:
    """The verified IR of a plain function as a kernel."""
    module = lower_kernel(fn, types, **options)
    verify(module)
    return module


def ops(module: Lowered) -> list[str]:
    """The names of the kernel's ops, in order, outer first."""
    return [op.name for op in module.kernel.walk()]


def types_of(values: Sequence[Any]) -> list[Any]:
    """The frontend's types of NumPy arrays and scalars."""
    by_name = {
        "bool": gy.bool_,
        "int8": gy.i8,
        "int16": gy.i16,
        "int32": gy.i32,
        "int64": gy.i64,
        "uint8": gy.u8,
    }
    by_name |= {"uint16": gy.u16, "uint32": gy.u32, "uint64": gy.u64, "float16": gy.f16, "float32": gy.f32}
    by_name |= {"float64": gy.f64}
    found = []
    for value in values:
        dtype = by_name[value.dtype.name]
        found.append(ArrayType(dtype, value.ndim) if value.ndim else dtype)
    return found


def launch(fn: Callable[..., Any], shape: int | tuple[int, ...], *values: Any, **options: Any) -> None:
    """Lower a plain function for these values and run it in the interpreter; arrays change in place."""
    extents = (shape,) if isinstance(shape, int) else shape
    module = lowered(fn, *types_of(values), **options)
    run(module, extents, options.get("block"), list(values), check=options.get("check", False))


def result_type(fn: Callable[..., Any], *types: Any) -> Any:
    """The type of what a function returns for scalar arguments of these types."""
    function = gy.func(fn)

    names = [f"p{k}" for k in range(len(types))]
    text = f"def kernel({', '.join(names)}):\n    r = fn({', '.join(names)})\n    print(r)\n"
    kernel = define(text, "kernel", {"fn": function})
    printed = next(op for op in lowered(kernel, *types).walk() if op.name == "message.print")
    return [value.type for value in printed.operands]


def define(text: str, name: str, names: dict[str, Any] | None = None) -> Callable[..., Any]:
    """Run text that Python can show again, and give one of its functions."""
    file = f"<test {len(linecache.cache)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space: dict[str, Any] = {"gy": gy, "np": np, **(names or {})}
    exec(compile(text, file, "exec"), space)
    return space[name]


def refused(
    body: str, names: dict[str, Any] | None = None, before: str = "", **options: Any
) -> list[Diagnostic]:
    """Findings on a kernel body over arrays `x` of f32, `n` of i32, and scalars `s` of f32, `m` of i32."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    fn = define(f"{before}\ndef kernel(x, n, s, m):\n    i = gy.global_id()\n{lines}", "kernel", names)
    try:
        lower_kernel(fn, [ArrayType(gy.f32), ArrayType(i32), gy.f32, i32], **options)
    except CompileError as error:
        return list(error.diagnostics)
    return []
