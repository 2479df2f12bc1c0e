"""LLVM text to a flat image, and running it."""

import ctypes
import mmap
import struct

import numpy as np
import pytest

from gyral.core.errors import InternalError, UnsupportedError
from gyral.drivers.cpu import codegen, image

SCALE = """
define void @scale(ptr %x, i64 %n) "no-builtins" {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %p = getelementptr double, ptr %x, i64 %i
  %v = load double, ptr %p
  %w = fmul double %v, 0x4008CCCCCCCCCCCD
  %z = fadd double %w, 0x3FF199999999999A
  store double %z, ptr %p
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""
TABLE = """
@table = private unnamed_addr constant [4 x i32] [i32 10, i32 20, i32 30, i32 40]
define internal i32 @pick(i32 %k) noinline {
  %p = getelementptr [4 x i32], ptr @table, i64 0, i32 %k
  %v = load i32, ptr %p
  ret i32 %v
}
define i32 @look(i32 %k) {
  %v = call i32 @pick(i32 %k)
  %w = add i32 %v, 1
  ret i32 %w
}
"""
AARCH64 = codegen.Machine("aarch64-unknown-linux-gnu", "", "+neon")


def run(code: bytes, entry: int, result: type | None, *arguments: object) -> object:
    """Map an image and call into it."""
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(result, *map(type, arguments))(address + entry)(*arguments)


def test_an_image_runs_with_its_constants() -> None:
    """Code finds its constants relative to itself."""
    code, entry = image.flatten(codegen.assemble(SCALE, codegen.host()), "scale")
    x = np.arange(10.0)
    run(code, entry, None, ctypes.c_void_p(x.ctypes.data), ctypes.c_int64(10))
    np.testing.assert_array_equal(x, np.arange(10.0) * 3.1 + 1.1)


@pytest.mark.parametrize("k", range(4))
def test_internal_calls_and_tables_are_resolved(k: int) -> None:
    """Calls between functions of an object and tables of constants work in the image."""
    code, entry = image.flatten(codegen.assemble(TABLE, codegen.host()), "look")
    assert run(code, entry, ctypes.c_int32, ctypes.c_int32(k)) == 10 * (k + 1) + 1


def test_an_image_is_the_same_each_time() -> None:
    """The same text gives the same bytes, so that caches agree."""
    first = image.flatten(codegen.assemble(TABLE, codegen.host()), "look")
    assert image.flatten(codegen.assemble(TABLE, codegen.host()), "look") == first


def test_undefined_symbols_are_named() -> None:
    """A call of a function that nobody defines is refused with the function's name."""
    text = (
        "declare float @expf(float)\n"
        "define float @f(float %x) {\n %y = call float @expf(float %x)\n ret float %y\n}"
    )
    with pytest.raises(InternalError, match="expf"):
        image.flatten(codegen.assemble(text, codegen.host()), "f")


def test_writable_data_is_refused() -> None:
    """A kernel with a global variable cannot become an image."""
    text = "@g = global i32 1\ndefine i32 @f() {\n %v = load volatile i32, ptr @g\n ret i32 %v\n}"
    with pytest.raises(InternalError, match="writable data"):
        image.flatten(codegen.assemble(text, codegen.host()), "f")


def test_absolute_addresses_are_refused() -> None:
    """A table of pointers needs a loader and is refused."""
    text = (
        "@a = internal constant i32 1\n@b = internal constant i32 2\n"
        "@t = internal constant [2 x ptr] [ptr @a, ptr @b]\n"
        "define ptr @f(i64 %k) {\n %p = getelementptr [2 x ptr], ptr @t, i64 0, i64 %k\n"
        " %v = load volatile ptr, ptr %p\n ret ptr %v\n}"
    )
    with pytest.raises(InternalError, match="position-independent"):
        image.flatten(codegen.assemble(text, codegen.host()), "f")


def test_a_missing_entry_is_named() -> None:
    """Asking for a symbol that the object lacks says which."""
    with pytest.raises(InternalError, match="'nothing'"):
        image.flatten(codegen.assemble(TABLE, codegen.host()), "nothing")


def test_text_that_llvm_refuses_is_our_fault() -> None:
    """A syntax error in the emitter's text is an internal error with LLVM's message."""
    with pytest.raises(InternalError, match="LLVM refuses"):
        codegen.assemble("define void @f( {", codegen.host())


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(80), b"MZ" + bytes(100)])
def test_bytes_that_are_no_object_are_refused(data: bytes) -> None:
    """Foreign bytes give an error, not a crash."""
    with pytest.raises(InternalError):
        image.flatten(data, "f")


def test_aarch64_constants_are_found() -> None:
    """The page and offset of a constant are patched into the ADRP and LDR that load it."""
    code, _ = image.flatten(codegen.assemble(SCALE, AARCH64), "scale")
    words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) // 4 * 4])
    pages: dict[int, int] = {}
    found = set()
    for word in words:
        if word & 0x9F000000 == 0x90000000:
            pages[word & 31] = ((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3) << 12
        if word & 0xFFC00000 == 0xFD400000 and (word >> 5 & 31) in pages:
            found.add(struct.unpack_from("<d", code, pages[word >> 5 & 31] + ((word >> 10 & 0xFFF) << 3))[0])
    assert found == {3.1, 1.1}


def test_aarch64_calls_are_patched() -> None:
    """A call inside the object branches to the called function."""
    code, entry = image.flatten(codegen.assemble(TABLE, AARCH64), "look")
    words = struct.unpack_from(f"<{(len(code) - entry) // 4}I", code, entry)
    calls = [(entry + 4 * k, w) for k, w in enumerate(words) if w & 0xFC000000 == 0x94000000]
    assert [at + 4 * ((w & 0x3FFFFFF) - ((w & 0x2000000) << 1)) for at, w in calls] == [0]


def test_assembly_is_text() -> None:
    """The assembly of a kernel can be shown."""
    assert "scale:" in codegen.assembly(SCALE, codegen.host())
    assert "define void @scale" in codegen.optimised(SCALE, codegen.host())


def test_a_processor_without_sse41_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding needs SSE4.1 on x86-64; a processor without it gets a sentence, not unresolved symbols."""

    class Features:
        def flatten(self) -> str:
            return "+sse2,-sse4.1"

    monkeypatch.setattr(codegen.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(codegen.llvm, "get_host_cpu_features", Features)
    with pytest.raises(UnsupportedError, match=r"needs SSE4\.1"):
        codegen.host()
