"""CUDA C++ to machine code through NVRTC, which needs no device."""

from __future__ import annotations

from typing import Any

import pytest

from gyral.core import abi
from gyral.core.errors import InternalError, UnsupportedError
from gyral.drivers.cuda import codegen

TEXT = """
extern "C" __global__ void gyral_kernel(const float *__restrict__ a, float *__restrict__ b) {
  __shared__ float kept[256];
  kept[threadIdx.x] = a[threadIdx.x];
  __syncthreads();
  b[threadIdx.x] = kept[255 - threadIdx.x] * a[threadIdx.x] + 1.0f;
}
"""
LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'other' for 'sm_90'
ptxas info    : Used 99 registers, used 0 barriers
ptxas info    : Compiling entry function 'gyral_kernel' for 'sm_90'
ptxas info    : Function properties for gyral_kernel
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 16 bytes cumulative stack size, 1024 bytes smem
"""


@pytest.fixture
def compiler() -> None:
    """Skips where NVRTC is missing."""
    try:
        codegen._known()
    except UnsupportedError as error:
        pytest.skip(str(error))


def known(monkeypatch: pytest.MonkeyPatch, *architectures: int) -> list[str]:
    """Let NVRTC know these architectures; what it is asked to compile for is listed."""
    asked: list[str] = []

    def compiled(text: str, architecture: str, fastmath: bool) -> tuple[bytes, str]:
        asked.append(architecture)
        return b"code", ""

    monkeypatch.setattr(codegen, "_known", lambda: sorted(architectures))
    monkeypatch.setattr(codegen, "_compiled", compiled)
    return asked


@pytest.mark.usefixtures("compiler")
def test_text_becomes_a_cubin() -> None:
    """A translation unit is compiled for the architecture that the features name."""
    made = codegen.assemble(TEXT, ("f64", "sm_90"), entry="gyral_kernel")
    assert (made.code[:4], made.architecture) == (b"\x7fELF", "sm_90")


@pytest.mark.usefixtures("compiler")
def test_the_assembler_reports_resources() -> None:
    """Registers and on-chip memory are what the kernel really uses."""
    made = codegen.assemble(TEXT, ("sm_90",), entry="gyral_kernel")
    assert made.resources["shared_bytes"] == 1024
    assert 0 < made.resources["registers"] < 64


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("fastmath", [False, True])
def test_products_are_contracted_under_fastmath_alone(fastmath: bool) -> None:
    """A multiplication and an addition are rounded twice unless fastmath allows one rounding."""
    text = codegen.intermediate(TEXT, ("sm_90",), fastmath=fastmath)
    assert ("fma.rn.f32" in text) == fastmath


@pytest.mark.usefixtures("compiler")
def test_text_that_does_not_compile_is_our_fault() -> None:
    """The error carries NVRTC's log with the line."""
    with pytest.raises(InternalError, match=r"gyral\.cu\(6\): error"):
        codegen.assemble(TEXT.replace("1.0f", "nothing"), (), entry="gyral_kernel")


def test_the_log_of_one_kernel_is_read() -> None:
    """Other functions of the translation unit do not count."""
    assert codegen.report(LOG, "gyral_kernel") == {
        "registers": 40,
        "shared_bytes": 1024,
        "stack_bytes": 16,
        "spill_store_bytes": 8,
        "spill_load_bytes": 12,
        "barriers": 1,
    }


def test_a_log_without_the_kernel_says_nothing() -> None:
    """No numbers are made up."""
    assert codegen.report("", "gyral_kernel") == {}


def test_a_newer_device_gets_code_of_its_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older compiler's newest architecture of the same generation runs on the device."""
    asked = known(monkeypatch, 80, 86, 90)
    assert (codegen.assemble(TEXT, ("sm_89",), entry="k").architecture, asked) == ("sm_86", ["sm_86"])


def test_a_device_of_a_newer_generation_gets_ptx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver translates what the compiler does not know."""
    asked = known(monkeypatch, 80, 90)
    assert (codegen.assemble(TEXT, ("sm_120",), entry="k").resources, asked) == ({}, ["compute_90"])


def test_a_device_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what the compiler can do and which package to change."""
    known(monkeypatch, 75, 80)
    with pytest.raises(UnsupportedError, match=r"sm_60.*sm_75 and newer.*nvidia-cuda-nvrtc"):
        codegen.assemble(TEXT, ("sm_60",), entry="k")


def test_a_missing_compiler_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says how to get it."""
    monkeypatch.setattr(codegen, "nvrtc", None)
    with pytest.raises(UnsupportedError, match=r"pip install gyral\[cuda\]"):
        codegen.intermediate(TEXT, ())


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package without the library it loads is as good as none."""

    class Broken:
        def nvrtcVersion(self) -> Any:
            raise RuntimeError("libnvrtc.so.13 not found\nand a long story")

    monkeypatch.setattr(codegen, "nvrtc", Broken())
    with pytest.raises(UnsupportedError, match=r"\(libnvrtc.so.13 not found\); pip install gyral\[cuda\]"):
        codegen.intermediate(TEXT, ())


def test_an_architecture_that_is_none_is_our_fault() -> None:
    """A feature word is checked before a compiler is asked."""
    with pytest.raises(InternalError, match="'ninety'"):
        codegen._parts("ninety")


def test_no_shared_object_is_written_to() -> None:
    """NVRTC writes its answers into bytes of their own, also where the log is a single byte."""
    source = f'extern "C" __global__ void {abi.ENTRY}() {{}}'
    codegen.intermediate(source, ("sm_80",))
    assert [ord(bytes([value])) for value in range(256)] == list(range(256))
