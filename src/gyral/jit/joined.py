"""The IR of kernels that run as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gyral.compiler.frontend.lower import Lowered
from gyral.compiler.passes.fuse import Fuse, Part, types_of
from gyral.core.dtypes import StructType, Vec, leaves
from gyral.core.errors import UserError
from gyral.jit.arguments import Kind, StaticValue
from gyral.jit.chain import Chain, Link
from gyral.jit.request import Request


def join(request: Request, chain: Chain, lower: Callable[[Link, tuple[Kind, ...], Any], Lowered]) -> Lowered:
    """The module of a chain; `lower` gives that of one link for the kinds of its arguments.

    CompileError GY701 when the kernels cannot run as one, UserError when they differ in rank.
    """
    kinds = {**dict(zip(chain.parameters, request.kinds, strict=True)), **dict(chain.temporaries)}
    slots, names = _slots(kinds)
    parts: list[Part] = []
    whole = Lowered()
    for number, link in enumerate(chain.links):
        # Kernels of one name may capture different values, so each keeps its own.
        frozen = request.frozen.setdefault(("", str(number)), {})
        module = lower(link, tuple(kinds[name] for name in link.parameters), frozen)
        whole.promotions += module.promotions
        own = tuple(slot for name in link.parameters for slot in slots[name])
        parts.append(Part(link.function.__name__, module, own))
    ranks = {part.module.kernel.attributes["rank"] for part in parts}
    if len(ranks) > 1:
        shown = ", ".join(f"{p.name} over {p.module.kernel.attributes['rank']}" for p in parts)
        raise UserError(f"kernels that run as one are launched over the same axes; here: {shown}")
    kept = frozenset(slots[name][0] for name, _ in chain.temporaries)
    options = request.options
    asked = Fuse(types_of(parts, names), kept, options.noalias, options.index_bits == 32)
    whole.add(asked.run(chain.__name__, parts).kernel)
    return whole


def _slots(kinds: dict[str, Kind]) -> tuple[dict[str, list[int]], dict[int, str]]:
    """The IR parameters behind each parameter, and what each is called: one per array and per number."""
    slots: dict[str, list[int]] = {}
    names: dict[int, str] = {}
    for name, kind in kinds.items():
        if isinstance(kind, StaticValue):
            fields = []
        elif isinstance(kind, (Vec, StructType)):
            fields = [".".join((name, *leaf.path)) for leaf in leaves(kind)]
        else:
            fields = [name]
        slots[name] = list(range(len(names), len(names) + len(fields)))
        names.update(zip(slots[name], fields, strict=True))
    return slots, names
