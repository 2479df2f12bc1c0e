"""Where the gangs of a block stand. Threads are numbered last axis first; a gang is `width` in a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Affine, Part, Scalar, Vector
from gyral.compiler.emit.llvm.grid import lanes_below
from gyral.compiler.emit.llvm.scalars import over, smallest
from gyral.compiler.emit.llvm.text import Text
from gyral.core.dtypes import index
from gyral.core.errors import InternalError


@dataclass(frozen=True, slots=True)
class BlockShape:
    """A block's extents, right-aligned, and the gang's width."""

    extents: tuple[int, int, int]
    width: int

    @property
    def threads(self) -> int:
        """Threads of a whole block."""
        return prod(self.extents)

    @property
    def gangs(self) -> int:
        """Gangs of a block."""
        return -(-self.threads // self.width)

    @property
    def padded(self) -> bool:
        """Whether the last gang has lanes without a thread."""
        return self.threads % self.width != 0

    @property
    def line(self) -> bool:
        """Whether the block is one row."""
        return self.extents[0] == self.extents[1] == 1

    @property
    def even(self) -> bool:
        """Whether every gang lies in one row."""
        return self.line or self.extents[2] % self.width == 0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a block is: its ids, first thread, what of it exists, its number among all."""

    ids: tuple[str, str, str]
    grid: tuple[str, str, str]
    origin: tuple[str, str, str]
    extents: tuple[str, str, str]
    """Threads that exist along each axis."""
    number: str
    is_whole: str

    @staticmethod
    def at(
        text: Text, shape: BlockShape, ids: tuple[str, str, str], grid: tuple[str, str, str], number: str
    ) -> Spot:
        """Compute a block's facts from its ids."""
        origin, extents, whole = [], [], ""
        for axis, extent in enumerate(shape.extents):
            first = ids[axis] if extent == 1 else text.let(f"mul nsw i64 {ids[axis]}, {extent}")
            left = text.let(f"sub nsw i64 %s{axis}, {first}")
            fits = text.let(f"icmp sge i64 {left}, {extent}")
            whole = text.let(f"and i1 {whole}, {fits}") if whole else fits
            origin.append(first)
            extents.append(text.call("i64", "llvm.smin.i64", f"i64 {left}", f"i64 {extent}"))
        return Spot(
            ids, grid, (origin[0], origin[1], origin[2]), (extents[0], extents[1], extents[2]), number, whole
        )


@dataclass(slots=True)
class BlockPlace:
    """Ids for a group of gangs that starts at gang number `first` of the block."""

    text: Text
    rank: int
    shape: BlockShape
    spot: Spot
    first: str
    masked: bool = False
    ctx: Context | None = None
    """The stretch whose lanes are asked for; none at block level, where only common values are."""
    runs: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def _right(self, axis: int) -> int:
        return axis + 3 - self.rank

    def gang(self, chain: Chain) -> str:
        """The chain's gang number in the block."""
        if not chain[0]:
            return self.first
        if self.first.isdigit():
            return str(int(self.first) + chain[0])
        return self.text.let(f"add nsw i64 {self.first}, {chain[0]}")

    def _scaled(self, name: str, by: int) -> str:
        return str(int(name) * by) if name.isdigit() else self.text.let(f"mul nsw i64 {name}, {by}")

    def _split(self, name: str, by: int) -> tuple[str, str]:
        """Quotient and remainder by a constant."""
        if name.isdigit():
            return str(int(name) // by), str(int(name) % by)
        if by == 1:
            return name, "0"
        return self.text.let(f"udiv i64 {name}, {by}"), self.text.let(f"urem i64 {name}, {by}")

    def local_id(self, axis: int, chain: Chain) -> Part:
        """Index in the block."""
        return self._local(self._right(axis), chain)

    def _local(self, at: int, chain: Chain) -> Part:
        """Index in the block along a right-aligned axis."""
        gang = self.gang(chain)
        if self.shape.line:
            return Affine(self._scaled(gang, self.shape.width), 1) if at == 2 else Scalar("0")
        if not self.shape.even:
            return self._ragged(at, gang)
        row, column = self._split(gang, self.shape.extents[2] // self.shape.width)
        if at == 2:
            return Affine(self._scaled(column, self.shape.width), 1)
        plane, line = self._split(row, self.shape.extents[1])
        return Scalar(line if at == 1 else plane)

    def _ragged(self, at: int, gang: str) -> Part:
        """Rows that gangs cut across: from the thread's number, by division in lanes."""
        ctx = self._lanes()
        form = ctx.form(index, True)
        number = ctx.in_lanes(Affine(self._scaled(gang, self.shape.width), 1), index)
        for axis in (2, 1):
            extent = form.constant(self.shape.extents[axis])
            if at == axis:
                return Vector(self.text.let(f"urem {form.llvm} {number}, {extent}"))
            number = self.text.let(f"udiv {form.llvm} {number}, {extent}")
        return Vector(number)

    def _lanes(self) -> Context:
        if self.ctx is None:
            raise InternalError("an id that differs by thread was asked for at block level")
        return self.ctx

    def global_id(self, axis: int, chain: Chain) -> Part:
        """Index in the launch."""
        local, origin = self.local_id(axis, chain), self.spot.origin[self._right(axis)]
        if isinstance(local, Affine):
            return Affine(self._plus(local.base, origin), local.stride)
        if isinstance(local, Scalar):
            return Scalar(self._plus(local.name, origin))
        ctx = self._lanes()
        form = ctx.form(index, True)
        return Vector(self.text.let(f"add {form.llvm} {local.name}, {ctx.spread(origin, form, index)}"))

    def span(self, count: str, scope: str, chain: Chain) -> tuple[Part, str, str]:
        """A run of neighbours for each group of gangs, which stand side by side in it.

        Where a block is cut off, the threads that exist share its run.
        """
        if self.masked:
            return self._strided(count, scope, chain)
        text, width, together = self.text, self.shape.width, self._lanes().rows
        if (count, scope) not in self.runs:
            first, last = self._share(count, scope)
            length = text.call("i64", "llvm.smax.i64", f"i64 {text.let(f'sub i64 {last}, {first}')}", "i64 0")
            run = self._rounded(over(text, length, str(self.shape.gangs // together)), width * together)
            group, _ = self._split(self.first, together)
            start = self._plus(self._times(group, run), first)
            self.runs[count, scope] = start, smallest(text, text.let(f"add i64 {start}, {run}"), last)
        start, end = self.runs[count, scope]
        return Affine(self._plus(str(chain[0] * width), start), 1), end, str(width * together)

    def _share(self, count: str, scope: str) -> tuple[str, str]:
        """First and end of the block's own run."""
        if scope == "block":
            return "0", count
        text = self.text
        blocks = text.let(
            f"mul i64 {text.let(f'mul i64 {self.spot.grid[0]}, {self.spot.grid[1]}')}, {self.spot.grid[2]}"
        )
        run = self._rounded(over(self.text, count, blocks), self.shape.threads)
        start = text.let(f"mul i64 {self.spot.number}, {run}")
        end = text.let(f"add i64 {start}, {run}")
        return start, text.call("i64", "llvm.smin.i64", f"i64 {end}", f"i64 {count}")

    def _strided(self, count: str, scope: str, chain: Chain) -> tuple[Part, str, str]:
        """The threads that exist, numbered among themselves, take turns; in a one-row block, gang by gang."""
        start, end = self._share(count, scope)
        e0, e1, e2 = self.spot.extents
        if self.shape.line:
            return self._gang_run(start, end, e2, chain)
        step = self.text.let(f"mul i64 {self.text.let(f'mul i64 {e0}, {e1}')}, {e2}")
        parts = [self._local(at, chain) for at in range(3)]
        match parts:
            case [Scalar(plane), Scalar(line), Affine(column)]:
                row = self._plus(self._times(plane, e1), line)
                base = self._plus(self._times(row, e2), column)
                return Affine(self._plus(base, start), 1), end, step
            case _:
                pass
        ctx = self._lanes()
        form = ctx.form(index, True)
        number = ""
        for part, extent in zip(parts, (e0, e1, e2), strict=True):
            here = ctx.in_lanes(part, index)
            if number:
                scaled = self.text.let(f"mul {form.llvm} {number}, {ctx.spread(extent, form, index)}")
                here = self.text.let(f"add {form.llvm} {scaled}, {here}")
            number = here
        return Vector(self.text.let(f"add {form.llvm} {number}, {ctx.spread(start, form, index)}")), end, step

    def _gang_run(self, start: str, end: str, threads: str, chain: Chain) -> tuple[Part, str, str]:
        """A run of neighbours for each gang that has threads, which step together by their number."""
        text, width, gang = self.text, self.shape.width, self.gang(chain)
        length = text.call("i64", "llvm.smax.i64", f"i64 {text.let(f'sub i64 {end}, {start}')}", "i64 0")
        run = over(self.text, length, over(self.text, threads, str(width)))
        first = self._plus(self._times(gang, run), start)
        last = smallest(text, text.let(f"add i64 {first}, {run}"), end)
        left = text.let(f"sub i64 {threads}, {self._scaled(gang, width)}")
        return Affine(first, 1), last, smallest(text, left, str(width))

    def _times(self, a: str, b: str) -> str:
        if "0" in (a, b):
            return "0"
        return self.text.let(f"mul i64 {a}, {b}")

    def _rounded(self, a: str, by: int) -> str:
        """a rounded up to a multiple."""
        return self.text.let(f"mul i64 {over(self.text, a, str(by))}, {by}")

    def _plus(self, a: str, b: str) -> str:
        return b if a == "0" else self.text.let(f"add nsw i64 {a}, {b}")

    def block_id(self, axis: int) -> str:
        """Index of the block."""
        return self.spot.ids[self._right(axis)]

    def block_dim(self, axis: int) -> str:
        """Extent of a whole block."""
        return str(self.shape.extents[self._right(axis)])

    def grid_dim(self, axis: int) -> str:
        """Number of blocks."""
        return self.spot.grid[self._right(axis)]

    def global_size(self, axis: int) -> str:
        """Extent of the launch."""
        return f"%s{self._right(axis)}"

    def presence(self, ctx: Context, chain: Chain) -> str:
        """The mask of a chain's lanes that are threads of the launch."""
        text, threads = self.text, self.shape.threads
        number = self._scaled(self.gang(chain), self.shape.width)
        if self.shape.line:
            return lanes_below(ctx, text.let(f"sub i64 {self.spot.extents[2]}, {number}"))
        mask = lanes_below(ctx, text.let(f"sub i64 {threads}, {number}"))
        form = ctx.form(index, True)
        for at in range(3):
            if self.shape.extents[at] == 1:
                continue
            here = ctx.in_lanes(self._local(at, chain), index)
            limit = ctx.spread(self.spot.extents[at], form, index)
            inside = text.let(f"icmp slt {form.llvm} {here}, {limit}")
            mask = text.let(f"and {ctx.mask_type} {mask}, {inside}")
        return mask
