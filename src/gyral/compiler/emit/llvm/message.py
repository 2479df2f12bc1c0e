"""Failed checks and prints: lanes write to the launch's record buffer (layout: see `jit.records`)."""

from __future__ import annotations

from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Form
from gyral.compiler.emit.llvm.lanes import for_each_lane, lane_of, thread_number
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.core.artifact import Site
from gyral.core.dtypes import bool_

RECORD = "%record"
HEADER_WORDS = 10

FAULT = """
define internal void @gyral.fault(ptr %r, i64 %thread, i64 %site, i64 %a, i64 %b) noinline cold nounwind {
entry:
  br label %spin
spin:
  %taken = cmpxchg ptr %r, i64 0, i64 1 acquire monotonic
  %got = extractvalue { i64, i1 } %taken, 1
  br i1 %got, label %held, label %spin
held:
  %lowest.at = getelementptr i64, ptr %r, i64 1
  %lowest = load i64, ptr %lowest.at
  %lower = icmp slt i64 %thread, %lowest
  br i1 %lower, label %write, label %release
write:
  store i64 %thread, ptr %lowest.at
  %site.at = getelementptr i64, ptr %r, i64 2
  store i64 %site, ptr %site.at
  %a.at = getelementptr i64, ptr %r, i64 3
  store i64 %a, ptr %a.at
  %b.at = getelementptr i64, ptr %r, i64 4
  store i64 %b, ptr %b.at
  br label %release
release:
  store atomic i64 0, ptr %r release, align 8
  ret void
}
"""


def site_number(ctx: Context, op: Operation, site: Site) -> int:
    """The op's number among the kernel's sites, the same in every copy of the body."""
    plan = ctx.plan
    if op not in plan.site_numbers:
        plan.site_numbers[op] = len(plan.sites)
        plan.sites.append(site)
    return plan.site_numbers[op]


def emit_require(ctx: Context, op: Operation) -> None:
    """Lanes whose condition is false record themselves and die."""
    text = ctx.text
    number = check_site(ctx, op)
    for chain in ctx.chains:
        kept = ctx.vector(op.condition, chain)
        failed = text.let(f"xor {ctx.mask_type} {kept}, splat (i1 true)")
        active = ctx.active(chain)
        if active is not None:
            failed = text.let(f"and {ctx.mask_type} {failed}, {active}")
        bad, fine = text.fresh_label("failed"), text.fresh_label("fine")
        text.branch(ctx.any_of([failed]), bad, fine)
        text.begin(bad)
        if ctx.noted:
            note(ctx, number)
        else:
            for_each_lane(ctx, failed, lambda lane, chain=chain: fault(ctx, op, number, chain, lane))
        _kill(ctx, chain, failed)
        text.jump(fine)
        text.begin(fine)


def check_site(ctx: Context, op: Operation) -> int:
    """The number of a check's site."""
    types = tuple(value.type for value in op.values)
    return site_number(ctx, op, Site(op.check, op.span, op.text, op.axis, types=types))


def note(ctx: Context, number: int) -> None:
    """Keep the lowest of the sites where the block's threads failed, for its next rescue."""
    text = ctx.text
    held = text.let(f"load i32, ptr {ctx.noted}")
    lowest = text.call("i32", "llvm.umin.i32", f"i32 {held}", f"i32 {number}")
    text.do(f"store i32 {lowest}, ptr {ctx.noted}")


def take(ctx: Context) -> str:
    """What was noted, which is nothing from here on."""
    found = ctx.text.let(f"load i32, ptr {ctx.noted}")
    ctx.text.do(f"store i32 -1, ptr {ctx.noted}")
    return found


def fault(ctx: Context, op: Operation, number: int, chain: Chain, lane: str) -> None:
    """Write one lane's fault to the launch's record."""
    ctx.plan.functions["gyral.fault"] = FAULT
    thread = thread_number(ctx, chain, lane)
    words = [word_of(ctx, value, chain, lane) for value in op.values[:2]] + ["0", "0"]
    ctx.text.do(
        f"call void @gyral.fault(ptr {RECORD}, i64 {thread}, i64 {number}, i64 {words[0]}, i64 {words[1]})"
    )


def _kill(ctx: Context, chain: Chain, failed: str) -> None:
    slot, bits = ctx.alive[chain], f"i{ctx.width}"
    dead = ctx.text.let(f"bitcast {ctx.mask_type} {failed} to {bits}")
    living = ctx.text.let(f"xor {bits} {dead}, -1")
    now = ctx.text.let(f"and {bits} {ctx.text.let(f'load {bits}, ptr {slot}')}, {living}")
    ctx.text.do(f"store {bits} {now}, ptr {slot}")


def word_of(ctx: Context, value: Value, chain: Chain, lane: str) -> str:
    """A lane's value as a 64-bit record word: integers extended, floats by their bits."""
    name, dtype, text = lane_of(ctx, value, chain, lane), value.type, ctx.text
    form = Form(dtype, 0, 64)
    if dtype.is_float and dtype.bits > 16:
        name = text.let(f"bitcast {form.llvm} {name} to i{dtype.bits}")
    width = 1 if dtype is bool_ else form.bits
    if width == 64:
        return name
    word = "sext" if dtype.kind == "int" else "zext"
    return text.let(f"{word} i{width} {name} to i64")


def print_site(ctx: Context, op: Operation) -> int:
    """The number of a print's site."""
    types = tuple(value.type for value in op.values)
    return site_number(ctx, op, Site("print", op.span, parts=tuple(op.parts), types=types))


def emit_print(ctx: Context, op: Operation) -> None:
    """Every active lane appends one record, or is counted as lost."""
    number = print_site(ctx, op)
    for chain in ctx.chains:
        for_each_lane(ctx, ctx.active(chain), lambda lane, chain=chain: append(ctx, op, number, chain, lane))


def append(ctx: Context, op: Operation, number: int, chain: Chain, lane: str) -> None:
    """Write one lane's record of a print, or count it as lost."""
    text = ctx.text
    words = [thread_number(ctx, chain, lane), str(number)]
    words += [word_of(ctx, value, chain, lane) for value in op.values]
    count_at = text.let(f"getelementptr i64, ptr {RECORD}, i64 8")
    slot = text.let(f"atomicrmw add ptr {count_at}, i64 1 monotonic")
    capacity = text.let(f"load i64, ptr {text.let(f'getelementptr i64, ptr {RECORD}, i64 7')}")
    room, full = text.fresh_label("room"), text.fresh_label("full")
    text.branch(text.let(f"icmp ult i64 {slot}, {capacity}"), room, full)
    text.begin(room)
    stride = text.let(f"load i64, ptr {text.let(f'getelementptr i64, ptr {RECORD}, i64 9')}")
    first = text.let(f"add i64 {text.let(f'mul i64 {slot}, {stride}')}, {HEADER_WORDS}")
    base = text.let(f"getelementptr i64, ptr {RECORD}, i64 {first}")
    for place, word in enumerate(words):
        text.do(f"store i64 {word}, ptr {text.let(f'getelementptr i64, ptr {base}, i64 {place}')}")
    text.jump(full)
    text.begin(full)
