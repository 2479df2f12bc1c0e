"""Finding kernels in a file: `FILE` or `FILE:KERNEL`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import typer

from gyral.core.errors import GyralError, UserError
from gyral.jit.kernel import Kernel


def split(target: str) -> tuple[Path, str | None]:
    """The file and the kernel's name, None where only a file is given.

    Raises typer.BadParameter when there is no such file.
    """
    file, separator, kernel = target.rpartition(":")
    # A lone drive letter (C:\kernels.py) is no file and its path no kernel.
    if not separator or not kernel.isidentifier():
        file, kernel = target, ""
    path = Path(file)
    if not path.is_file():
        raise typer.BadParameter(f"there is no file {file!r}; write FILE or FILE:KERNEL")
    return path, kernel or None


def load(path: Path) -> ModuleType:
    """Run a file as a module under its own name, with its folder importable as for a script.

    Raises UserError when the file itself raises.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise typer.BadParameter(f"{path} is not a Python file")
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except GyralError:
        raise
    except Exception as error:
        raise UserError(f"{path} fails when it is run: {type(error).__name__}: {error}") from error
    return module


def kernels_in(module: ModuleType) -> dict[str, Kernel]:
    """The kernels a module holds, by the name they have there."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Kernel)}


def kernels(target: str) -> dict[str, Kernel]:
    """The kernel named by `FILE:KERNEL`, or all of `FILE`.

    Raises typer.BadParameter when the file has no such kernel, or none at all.
    """
    path, wanted = split(target)
    found = kernels_in(load(path))
    if not found:
        raise typer.BadParameter(f"{path} holds no kernel: no function under @gyral.kernel at its top level")
    if wanted is None:
        return found
    if wanted not in found:
        raise typer.BadParameter(f"{path} has no kernel {wanted!r}; it has {', '.join(sorted(found))}")
    return {wanted: found[wanted]}


def kernel(target: str) -> Kernel:
    """The one kernel meant by `FILE:KERNEL`, or by `FILE` where it holds a single one."""
    found = kernels(target)
    if len(found) > 1:
        raise typer.BadParameter(f"which one? Write {target}:NAME with one of {', '.join(sorted(found))}")
    return next(iter(found.values()))
