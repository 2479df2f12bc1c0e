"""Every refusal of the compiler: code, title, sentence, advice. The docs page is generated from this table.

Messages and advices are format strings; the place that refuses fills them in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of refusal. `message` says what is wrong, `advice` what to do; `why` is for the docs page."""

    code: str
    title: str
    message: str
    advice: str
    why: str = ""


CODES: dict[str, Code] = {}


def _code(number: int, title: str, message: str, advice: str, why: str = "") -> Code:
    row = Code(f"GY{number}", title, message, advice, why)
    if row.code in CODES:
        raise ValueError(f"two refusals are called {row.code}")
    CODES[row.code] = row
    return row


# 1xx: the source and its constructs
NO_SOURCE = _code(
    101,
    "Source not to be had",
    "the source of {name} cannot be read: {why}",
    "{advice}",
    "Kernels are compiled from their source. Files, notebook cells and text registered with linecache work.",
)
SOURCE_CHANGED = _code(
    102,
    "Source changed",
    "the text of {name} in {file} is not what Python is running",
    "import or run the file again, so that the function and its text agree",
    "The file was edited after the function was defined. Compiling the new text would run something else "
    "than Python would.",
)
NOT_A_FUNCTION = _code(
    103,
    "Not a plain function",
    "{what} cannot be a kernel",
    "write a plain function with `def`, outside of any class",
)
UNSUPPORTED_STATEMENT = _code(
    104,
    "Unsupported statement",
    "{what} is not part of the kernel language",
    "{advice}",
    "Kernels run on thousands of threads without an interpreter: no exceptions, generators or imports.",
)
UNSUPPORTED_EXPRESSION = _code(
    105,
    "Unsupported expression",
    "{what} is not part of the kernel language",
    "{advice}",
)
LOOP_ELSE = _code(
    106,
    "Loop with else",
    "`{loop} … else` is not part of the kernel language",
    "set a flag before `break` and test it after the loop",
)
HEAP_TYPE = _code(
    107,
    "Heap type",
    "{what} would need memory from a heap, and kernels have none",
    "use a tuple, `gy.local(shape, dtype)` or an array parameter",
)
STRING = _code(
    108,
    "String outside print and assert",
    "a string can only stand in print and assert",
    "use numbers for values, and print to look at them",
)
TOO_DEEP = _code(
    109,
    "Nested too deeply",
    "this is nested more than {limit} levels deep",
    "move the inner part into a `@gy.func`",
)
TOO_LARGE = _code(
    110,
    "Too large",
    "{name} has more than {limit} {what}",
    "split it into several kernels or functions",
)
SIGNATURE = _code(
    111,
    "Unsupported parameter",
    "{what} is not part of the kernel language",
    "give each parameter a name of its own",
)
PATTERN = _code(
    112,
    "Unsupported pattern",
    "{what} cannot be matched in a kernel",
    "match integers: constants, `1 | 2`, `_`, a name, and guards",
)
KERNEL_RETURNS = _code(
    113,
    "Kernel returns a value",
    "a kernel returns nothing",
    "store the result in an array parameter",
)
ITERATION = _code(
    114,
    "Unsupported iteration",
    "a loop cannot run over {what}",
    "loop over `range(n)`, `gy.grid_range(n)` or `gy.block_range(n)` and index inside",
)

# 2xx: names
UNKNOWN_NAME = _code(
    201,
    "Unknown name",
    "{name!r} is not defined{hint}",
    "define it before the kernel, or pass it as a parameter",
)
MAYBE_UNSET = _code(
    202,
    "Name possibly unset",
    "{name!r} may not have a value here",
    "give it a value on every path that leads here",
)
MUTABLE_CAPTURE = _code(
    203,
    "Closure over mutable state",
    "{name!r} is {what} from outside the kernel",
    "pass it as a parameter; only numbers, tuples of numbers, types and functions are captured",
    "A kernel compiled once must not depend on state that changes later.",
)
CAPTURE_CHANGED = _code(
    204,
    "Captured value changed",
    "{name!r} was {old!r} when this kernel was first compiled and is {new!r} now",
    "pass it as a parameter, or as `gy.Static` if it must be known when compiling",
)
UNKNOWN_ATTRIBUTE = _code(
    205,
    "Unknown attribute",
    "{what} has no attribute {name!r}",
    "{advice}",
)
REBOUND = _code(
    206,
    "Rebinding at another type",
    "{name!r} is {new} here but {old} elsewhere, and both may reach the same use",
    "convert one of them, such as `gy.{old}(…)`, or use another name",
)
UNSETTLED = _code(
    207,
    "Types do not settle",
    "the types of this function's names do not settle",
    "annotate them: `x: gy.f32 = …`",
)

# 3xx: types
NO_COMMON_TYPE = _code(
    301,
    "No common type",
    "{left} and {right} have no common type",
    "convert one of them, such as `gy.{left}(…)`",
    "u64 with a signed integer has no type that holds both.",
)
LITERAL_RANGE = _code(
    302,
    "Literal does not fit",
    "{value} does not fit {dtype}",
    "write a value that {dtype} holds, or convert explicitly",
)
IMPLICIT_NARROWING = _code(
    303,
    "Conversion must be written",
    "{source} is not converted to {target} by itself",
    "write `gy.{target}(…)`",
    "A store converts within a kind and integer to float; float to integer loses the fraction.",
)
OPERAND = _code(
    304,
    "Operand of the wrong type",
    "`{op}` does not take {what}",
    "{advice}",
)
NOT_A_NUMBER = _code(
    305,
    "Not a number",
    "{what} is used where a number is needed",
    "use one of its scalar parts",
)
NOT_CONSTANT = _code(
    306,
    "Not known when compiling",
    "{what} must be known when compiling",
    "use a literal, a module constant or a `gy.Static` parameter",
)
DIVISION = _code(
    307,
    "Constant division by zero",
    "this divides by zero, whatever the arguments",
    "check the divisor",
)
BAD_STRUCT = _code(
    308,
    "Wrong constructor",
    "{what}",
    "give each of {fields} once",
)
MIXED_SHAPE = _code(
    309,
    "Different kinds of value",
    "{left} and {right} cannot be the same value",
    "make both sides the same kind",
)
ANNOTATION = _code(
    310,
    "Unknown annotation",
    "{what} is no type of the kernel language",
    "use a scalar such as `gy.f32`, `gy.Vec[gy.f32, 3]`, a `@gy.struct`, `gy.Array[…]` or `gy.Static[…]`",
)
BITCAST_WIDTH = _code(
    311,
    "Widths differ",
    "{source} and {target} differ in width",
    "bitcast between types of the same width",
)
COMPONENT = _code(
    312,
    "No such component",
    "{what} has no component {which}",
    "use {advice}",
)

# 4xx: memory
INDEX_COUNT = _code(
    401,
    "Wrong number of indices",
    "{name!r} has rank {rank} and is given {given}",
    "write {rank} indices",
)
INDEX_TYPE = _code(
    402,
    "Index is no integer",
    "an index is an integer, not {what}",
    "convert it, such as `gy.i32(…)`",
)
NEGATIVE_INDEX = _code(
    403,
    "Negative index",
    "{value} is a negative index, and indices do not wrap",
    "write `len(a) - {positive}`",
)
SLICE = _code(
    404,
    "Slice",
    "slices are not part of the kernel language",
    "index single elements, or slice before the launch",
)
TUPLE_INDEX = _code(
    405,
    "Run-time tuple index",
    "a tuple is indexed by a constant only",
    "use `gy.local(n, dtype)` for run-time indexing",
)
READ_ONLY = _code(
    406,
    "Write to a read-only parameter",
    "{name!r} is declared read-only",
    "drop `gy.In` from its annotation",
)
NOT_INDEXABLE = _code(
    407,
    "Not indexable",
    "{what} cannot be indexed",
    "index arrays, vectors and tuples",
)
CONSTANT_BOUNDS = _code(
    408,
    "Index out of bounds",
    "index {value} is outside {name!r}, whose extent is {extent}",
    "use an index below {extent}",
)
NOT_ASSIGNABLE = _code(
    409,
    "Not assignable",
    "{what} cannot be assigned to",
    "assign to a name, an array element or a component",
)
MEMORY_SHAPE = _code(
    410,
    "Shape of on-chip memory",
    "{what}",
    "write `gy.{word}(64, gy.f32)` or `gy.{word}((8, 32), gy.f32)`",
)
ATOMIC_TARGET = _code(
    411,
    "Target of an atomic",
    "{what}",
    "use a scalar array parameter or shared memory",
)
WHOLE_ARRAY = _code(
    412,
    "Array as a value",
    "the array {name!r} is used as a value",
    "index it: `{name}[i]`",
)

# 5xx: calls and words
UNSUPPORTED_CALL = _code(
    513,
    "Unsupported call",
    "{what} cannot be called in a kernel",
    "{advice}",
)
NUMPY = _code(
    502,
    "NumPy in a kernel",
    "NumPy's {name} cannot be called in a kernel",
    "{advice}",
)
ARGUMENTS = _code(
    503,
    "Wrong arguments",
    "{name} {what}",
    "write {usage}",
)
RECURSION = _code(
    504,
    "Recursion",
    "{name} calls itself{via}",
    "write a loop; kernels have no call stack",
)
KERNEL_CALL = _code(
    505,
    "Kernel called from a kernel",
    "{name} is a kernel",
    "make the shared part a `@gy.func` and call that",
)
NEEDS_BLOCK = _code(
    506,
    "Needs a block",
    "{name} names `{word}`, and no block is given",
    "write `@gy.kernel(block=256)` or launch with `kernel[shape, block]`",
)
RANK = _code(
    507,
    "Rank of the launch",
    "{what}",
    "name axes below the launch's rank, or set `@gy.kernel(rank=…)`",
)
OPTION_VALUE = _code(
    508,
    "Unknown option of a word",
    "{word} takes {name}= one of {choices}, not {given!r}",
    "use one of {choices}",
)
PRINT_FORMAT = _code(
    509,
    "Unsupported format",
    "{what} cannot be used in print",
    "use a constant format such as `{{x:.3f}}`",
)
NO_VALUE = _code(
    510,
    "No value",
    "{what} gives no value",
    "use it as a statement of its own",
)
RETURNED = _code(
    511,
    "Cannot be returned",
    "{what} cannot be returned from a function",
    "return numbers, vectors, structs or tuples",
)
ARRAY_ARGUMENT = _code(
    512,
    "Wrong array argument",
    "{what}",
    "pass an array of the declared element type and rank",
)

PARTIAL_RETURN = _code(
    514,
    "Value on some paths only",
    "{name} returns a value on some paths and none on others",
    "end every path with a `return` of a value",
)
VARYING_BARRIER = _code(
    501,
    "Barrier under varying control",
    "this is reached by some threads of a block and not by others",
    "move it out of the branch or loop whose condition differs between threads",
    "Every thread of a block must arrive at a barrier. A condition that depends on a thread's id, or on "
    "memory that the kernel writes, can differ; `gy.block_broadcast` makes a value uniform.",
)

# 6xx: what a device lacks
DEVICE_GAP = _code(
    601,
    "Device lacks a type or feature",
    "{what} is not to be had on this device",
    "choose another device, or a type and feature that its capability record names",
    "Gaps are gathered before anything runs: nothing is silently replaced or run elsewhere.",
)

PRECISION_LOST = _code(
    602,
    "f64 computed in f32",
    "f64 is computed in f32 here",
    "use f32, or run it on a device that has f64",
    "A warning: the kernel asked for it (`downcast=True`), and the device has no f64. Arrays keep f64.",
)

# 7xx: kernels together
NOT_FUSED = _code(
    701,
    "Kernels that cannot run as one",
    "{what}",
    "launch them one after another, or let both use the element of the thread's own index",
    "In one launch no thread waits for all the others, so that what one kernel leaves for the next must be "
    "read by the thread that wrote it.",
)

# 8xx: actors
NO_ACTOR = _code(
    801,
    "Outside of an actor",
    "this works where there is a `self`: in a handler, or in a method that a handler calls",
    "make the function a method of the actor's class, or return what it found and act on it in the handler",
)
NOT_A_MESSAGE = _code(
    802,
    "Not a message",
    "{what} is no message of this system",
    "send and return instances of classes made with `@gy.message`",
)

# 9xx: simulations
OUT_OF_REACH = _code(
    901,
    "Neighbour out of reach",
    "{name!r} is read {away} cells away, and the simulation's reach is {reach}",
    "say `reach={away}` to gy.Simulation",
    "Every block of the grid keeps an edge of its neighbours' cells, as wide as the reach.",
)
CELL_WRITTEN = _code(
    902,
    "Write to a field",
    "a step reads the field {name!r} and does not write it",
    "return the next values of the fields, in their order",
    "All cells step at once: each is computed from the state before.",
)
WHOLE_FIELD = _code(
    903,
    "Field as a value",
    "the field {name!r} is used as a value",
    "say which cell: `{name}[{zeros}]` is the cell itself",
)
