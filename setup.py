"""The C extension. All other metadata stands in pyproject.toml."""

import sys
from glob import glob

from setuptools import Extension, setup

LIMITED_API = "0x030b0000"  # abi3 from Python 3.11

native = Extension(
    "gyral._native",
    sources=sorted(glob("src/native/*.c")),
    depends=sorted(glob("src/native/*.h")),
    define_macros=[("Py_LIMITED_API", LIMITED_API), ("_GNU_SOURCE", "1")],
    extra_compile_args=["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread"],
    extra_link_args=["-pthread"],
    py_limited_api=True,
    optional=True,  # without it gyral imports and compiles, and the CPU device says what is missing
)

# Kernels are System V code on POSIX threads; on Windows the package is pure Python.
setup(
    ext_modules=[] if sys.platform == "win32" else [native],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
