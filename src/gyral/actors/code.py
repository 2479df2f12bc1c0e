"""The code of a system: the loop of its classes and messages, loaded for a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gyral.actors.declare import ActorKind
from gyral.actors.hosts import way_of
from gyral.core import entry as loading
from gyral.core.errors import UserError
from gyral.jit.loop import Loop
from gyral.runtime.device import Device


def load_loop(kinds: Sequence[ActorKind], messages: Mapping[Any, int], device: Device) -> Any:
    """The loaded loop of classes in this order; CompileError when a handler cannot be compiled."""
    numbered = {m.__gyral_struct__: n for m, n in messages.items()}
    blocks = {kind.block for kind in kinds}
    if len(blocks) > 1:
        raise UserError(
            f"classes of one system run in blocks of one size, and these have {sorted(blocks)} threads; "
            "give them one block=, or a system each"
        )
    block = (next(iter(blocks)),)

    def program() -> Any:
        roles = tuple(kind.role() for kind in kinds)
        return loading.load("gyral.compiler.frontend.program:ResidentProgram")(roles, numbered, block)

    spelling = " ".join(kind.spelling() for kind in kinds)
    classes = [(kind.python, kind.arrays) for kind in kinds]
    return Loop(classes, numbered, block, spelling, program, way_of(device.capabilities)).load(device)
