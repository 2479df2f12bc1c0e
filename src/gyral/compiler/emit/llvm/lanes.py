"""One lane at a time, for what vectors cannot do: atomics on many addresses, records to the host."""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Affine, Part, Scalar
from gyral.compiler.ir.graph import Value
from gyral.core.dtypes import DType, index


def for_each_lane(ctx: Context, mask: str | None, body: Callable[[str], None]) -> None:
    """Run `body(lane)` for every lane set in the mask, lowest first; `lane` is an i32."""
    text, bits = ctx.text, f"i{ctx.width}"
    if mask is None:
        mask = "splat (i1 true)"
    start = text.let(f"bitcast {ctx.mask_type} {mask} to {bits}")
    head, turn, done = (text.fresh_label(hint) for hint in ("lanes", "lane", "done"))
    entry = text.label
    text.jump(head)
    text.begin(head)
    left = text.phi(bits)
    left.add(start, entry)
    text.branch(text.let(f"icmp ne {bits} {left.name}, 0"), turn, done)
    text.begin(turn)
    lane = text.call(bits, f"llvm.cttz.{bits}", f"{bits} {left.name}", "i1 true")
    number = lane if bits == "i32" else text.let(f"zext {bits} {lane} to i32")
    body(number)
    lower = text.let(f"sub {bits} {left.name}, 1")
    left.add(text.let(f"and {bits} {left.name}, {lower}"), text.label)
    text.jump(head)
    text.begin(done)


def lane_of(ctx: Context, value: Value, chain: Chain, lane: str) -> str:
    """The scalar a lane holds of a value."""
    return lane_of_part(ctx, ctx.part(value, chain), value.type, lane)


def lane_of_part(ctx: Context, part: Part, dtype: DType, lane: str) -> str:
    """The scalar a lane holds of a part; `index` widened to 64 bits."""
    if isinstance(part, Scalar):
        return part.name
    if isinstance(part, Affine):
        wide = ctx.text.let(f"zext i32 {lane} to i64")
        scaled = wide if part.stride == 1 else ctx.text.let(f"mul i64 {wide}, {part.stride}")
        return ctx.text.let(f"add nsw i64 {part.base}, {scaled}")
    form = ctx.form(dtype, True)
    one = ctx.text.let(f"extractelement {form.llvm} {part.name}, i32 {lane}")
    if dtype is index and form.element != "i64":
        return ctx.text.let(f"sext {form.element} {one} to i64")
    return one


def thread_number(ctx: Context, chain: Chain, lane: str) -> str:
    """The linear launch index of a lane's thread, as i64."""
    text = ctx.text
    rank = ctx.plan.function.attributes.get("rank", 1)
    number = ""
    for axis in range(rank):
        here = lane_of_part(ctx, ctx.where.global_id(axis, chain), index, lane)
        if number:
            number = text.let(f"mul i64 {number}, {ctx.where.global_size(axis)}")
            here = text.let(f"add i64 {number}, {here}")
        number = here
    return number
