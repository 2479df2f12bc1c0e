"""Values that go round a loop, and values that leave it at different turns in different lanes."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.compiler.emit.llvm.arith import select
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import LANE
from gyral.compiler.emit.llvm.merge import (
    held,
    in_form,
    llvm_type,
    yielded,
    zero,
)
from gyral.compiler.emit.llvm.text import Phi
from gyral.compiler.ir.graph import Value


class Carried:
    """The phis of values carried round a loop."""

    def __init__(self, ctx: Context, args: Sequence[Value], initial: Sequence[Value]) -> None:
        self.ctx = ctx
        self.args = list(args)
        self.entries = yielded(ctx, initial, self.args)
        self.phis: dict[tuple[Value, Chain], Phi] = {}

    def begin(self, entry: str) -> None:
        """Write the phis at the top of the loop."""
        for (arg, key), name in self.entries.items():
            phi = self.ctx.text.phi(llvm_type(self.ctx, arg))
            phi.add(name, entry)
            self.phis[arg, key] = phi
            self.ctx.set(arg, key, held(self.ctx, arg, phi.name))

    def close(self, values: Sequence[Value]) -> None:
        """Bring the next values round from the current block."""
        names = yielded(self.ctx, values, self.args)
        for place, phi in self.phis.items():
            phi.add(names[place], self.ctx.text.label)


class Ends:
    """Values that leave a loop at different turns in different lanes: the last one each lane saw."""

    def __init__(self, ctx: Context, results: list[Value], sources: list[Value]) -> None:
        self.ctx = ctx
        self.pairs = [(r, s) for r, s in zip(results, sources, strict=True) if r.uses]
        self.phis: dict[tuple[Value, Chain], Phi] = {}
        self.latest: dict[tuple[Value, Chain], str] = {}
        self.masks: dict[Chain, Phi] = {}

    def begin(self, entry: str) -> None:
        """Write the phis at the top of the loop; nothing has left yet."""
        for result, _ in self.pairs:
            for key in self.ctx.keys(self.ctx.bits(result)):
                phi = self.ctx.text.phi(llvm_type(self.ctx, result))
                wide = self.ctx.bits(result) & LANE
                phi.add("zeroinitializer" if wide else zero(result.type), entry)
                self.phis[result, key] = phi
        for chain in self.ctx.chains:
            phi = self.ctx.text.phi(self.ctx.mask_type)
            phi.add("splat (i1 true)" if self.ctx.mask is None else self.ctx.mask[chain], entry)
            self.masks[chain] = phi

    def note(self) -> None:
        """Lanes still in the loop see the sources' values now; so does a row while any of its lanes is."""
        ctx = self.ctx
        for result, source in self.pairs:
            bits = ctx.bits(result)
            form = ctx.form(result.type, bool(bits & LANE))
            for key in ctx.keys(bits):
                now = in_form(ctx, source, result, key)
                if bits:
                    members = [self.masks[chain].name for chain in ctx.members(key, bits)]
                    inside = members[0] if form.lanes else ctx.any_of(members)
                    now = select(ctx, form, inside, now, self.phis[result, key].name)
                self.latest[result, key] = now

    def close(self, masks: dict[Chain, str]) -> None:
        """Bring the noted values and the lanes that stayed round from the current block."""
        for place, phi in self.phis.items():
            phi.add(self.latest[place], self.ctx.text.label)
        for chain, phi in self.masks.items():
            phi.add(masks[chain], self.ctx.text.label)

    def finish(self) -> None:
        """After the loop the results are what was last noted."""
        for (result, key), name in self.latest.items():
            self.ctx.set(result, key, held(self.ctx, result, name))
