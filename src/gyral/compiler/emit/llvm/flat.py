"""Kernels without a block: the launch is cut into tiles, whole ones and the rest.

A whole tile runs all its gangs interleaved and unmasked. What is left over at the far edges runs gang by gang
under a mask of the lanes that exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyral.compiler.emit.llvm.context import Chain, Context, Given, Plan
from gyral.compiler.emit.llvm.form import Affine, Part, Scalar
from gyral.compiler.emit.llvm.grid import lanes_below
from gyral.compiler.emit.llvm.scalars import counted, over, smallest, split
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.emit.llvm.walk import emit_block
from gyral.compiler.ir.graph import Value
from gyral.core.errors import InternalError


@dataclass(slots=True)
class Tile:
    """Where a tile's first thread is, in right-aligned axes, and its item number."""

    text: Text
    rank: int
    width: int
    cols: int
    sizes: tuple[str, str, str]
    origin: tuple[str, str, str]
    item: str
    items: str
    present: str = ""
    """Lanes that exist, for a gang of the rest; "" for a whole tile."""
    first: str = ""
    """Whether this gang is the first of its tile, for a gang of the rest."""

    def _right(self, axis: int) -> int:
        return axis + 3 - self.rank

    def global_id(self, axis: int, chain: Chain) -> Part:
        """Index in the launch: base plus lane on the last axis, a scalar on the others."""
        at = self._right(axis)
        if at == 2:
            base = self.origin[2]
            step = chain[1] * self.width
            return Affine(self.text.let(f"add nsw i64 {base}, {step}") if step else base, 1)
        if at == 1 and chain[0]:
            return Scalar(self.text.let(f"add nsw i64 {self.origin[1]}, {chain[0]}"))
        return Scalar(self.origin[at])

    def global_size(self, axis: int) -> str:
        """Extent of the launch."""
        return self.sizes[self._right(axis)]

    def span(self, count: str, scope: str, chain: Chain) -> tuple[Part, str, str]:
        """A run of neighbours for each tile, its gangs side by side; at the edge the first gang takes all."""
        text, tile = self.text, self.cols * self.width
        run = text.let(f"mul i64 {over(text, over(text, count, self.items), str(tile))}, {tile}")
        start = text.let(f"mul i64 {self.item}, {run}")
        end = smallest(text, text.let(f"add i64 {start}, {run}"), count)
        if self.present:
            return Affine(start, 1), text.let(f"select i1 {self.first}, i64 {end}, i64 {start}"), self.present
        return Affine(text.let(f"add i64 {start}, {chain[1] * self.width}"), 1), end, str(tile)

    def local_id(self, axis: int, chain: Chain) -> Part:
        """A kernel that asks for this has a block."""
        raise InternalError("a kernel with local ids reached the flat walk")

    def block_id(self, axis: int) -> str:
        """A kernel that asks for this has a block."""
        raise InternalError("a kernel with block ids reached the flat walk")

    block_dim = grid_dim = block_id


@dataclass(frozen=True, slots=True)
class Strip:
    """Items along the last axis, one after another: where they are, and what they are tiles of."""

    plan: Plan
    text: Text
    rows: int
    cols: int
    memories: dict[Value, Any]
    given: Given
    items: str
    """Items of the whole launch."""
    plane: str
    row: str
    first: str
    """The first item, in number along the axis."""
    number: str
    """The first item, in number among all."""

    def tile(self, row: str, column: str, at: str, present: str = "", first: str = "") -> Tile:
        """The tile of item `at` along the axis, or a gang of it that starts at a row and column."""
        text, rank = self.text, self.plan.function.attributes.get("rank", 1)
        item = text.let(f"add i64 {self.number}, {text.let(f'sub i64 {at}, {self.first}')}")
        origin, sizes = (self.plane, row, column), ("%s0", "%s1", "%s2")
        return Tile(text, rank, self.plan.width, self.cols, sizes, origin, item, self.items, present, first)

    def context(self, where: Tile, rows: int, cols: int) -> Context:
        """A fresh body at a place."""
        values, memories = dict(self.given), dict(self.memories)
        return Context(self.plan, self.text, rows, cols, where=where, values=values, memories=memories)

    def column(self, at: str) -> str:
        """The first column of item `at`."""
        return self.text.let(f"mul nsw i64 {at}, {self.cols * self.plan.width}")

    def whole(self, at: str) -> None:
        """A tile that lies inside the launch: all gangs, no mask."""
        ctx = self.context(self.tile(self.row, self.column(at), at), self.rows, self.cols)
        revive(ctx)
        emit_block(ctx, self.plan.function.regions[0])

    def rest(self, at: str) -> None:
        """A tile at the edge, gang by gang."""
        origin, text = self.column(at), self.text
        counted(
            text, "0", str(self.rows),
            lambda r: counted(text, "0", str(self.cols), lambda c: self.gang(at, origin, r, c)),
        )  # fmt: skip

    def gang(self, at: str, origin: str, r: str, c: str) -> None:
        """One gang of a tile at the edge, if any of its threads exist, under the mask of those that do."""
        text, width = self.text, self.plan.width
        column = text.let(f"add nsw i64 {origin}, {text.let(f'mul nsw i64 {c}, {width}')}")
        row = text.let(f"add nsw i64 {self.row}, {r}") if self.rows > 1 else self.row
        remaining = text.let(f"sub i64 %s2, {column}")
        exists = text.let(f"icmp sgt i64 {remaining}, 0")
        if self.rows > 1:
            exists = text.let(f"and i1 {exists}, {text.let(f'icmp slt i64 {row}, %s1')}")
        some, none = text.fresh_label("gang"), text.fresh_label("gone")
        text.branch(exists, some, none)
        text.begin(some)
        present, first = smallest(text, remaining, str(width)), text.let(f"icmp eq i64 {c}, 0")
        ctx = self.context(self.tile(row, column, at, present, first), 1, 1)
        ctx.mask = {(0, 0): lanes_below(ctx, remaining)}
        revive(ctx)
        emit_block(ctx, self.plan.function.regions[0])
        text.jump(none)
        text.begin(none)


def emit_flat(plan: Plan, text: Text, rows: int, cols: int, memories: dict[Value, Any], given: Given) -> None:
    """Write the walk over the items `%begin` to `%end` of a launch of `%s0` x `%s1` x `%s2` threads."""
    tile = cols * plan.width
    grid_x, grid_y = over(text, "%s2", str(tile)), over(text, "%s1", str(rows))
    whole_x = text.let(f"udiv i64 %s2, {tile}")
    items = text.let(f"mul i64 {text.let(f'mul i64 {grid_x}, {grid_y}')}, %s0")
    head, run, done = "strip", "run", "finish"
    entry = text.label
    text.jump(head)
    text.begin(head)
    at = text.phi("i64")
    at.add("%begin", entry)
    text.branch(text.let(f"icmp slt i64 {at.name}, %end"), run, done)
    text.begin(run)
    line, x = split(text, at.name, grid_x)
    plane, y = split(text, line, grid_y)
    left = text.let(f"sub i64 %end, {at.name}")
    take = smallest(text, text.let(f"sub i64 {grid_x}, {x}"), left)
    stop = text.let(f"add i64 {x}, {take}")
    row = text.let(f"mul i64 {y}, {rows}") if rows > 1 else y
    whole = smallest(text, stop, whole_x)
    if rows > 1:
        fits = text.let(f"icmp sle i64 {text.let(f'add i64 {row}, {rows}')}, %s1")
        whole = text.let(f"select i1 {fits}, i64 {whole}, i64 {x}")
    whole = text.call("i64", "llvm.smax.i64", f"i64 {whole}", f"i64 {x}")
    strip = Strip(plan, text, rows, cols, memories, given, items, plane, row, x, at.name)
    counted(text, x, whole, strip.whole)
    counted(text, whole, stop, strip.rest)
    at.add(text.let(f"add i64 {at.name}, {take}"), text.label)
    text.jump(head)
    text.begin(done)


def revive(ctx: Context) -> None:
    """Under checks, start with every lane alive."""
    if not ctx.plan.checked:
        return
    for chain in ctx.chains:
        slot = ctx.text.alloca(f"i{ctx.width}", 8)
        ctx.text.do(f"store i{ctx.width} -1, ptr {slot}")
        ctx.alive[chain] = slot
