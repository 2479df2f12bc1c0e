"""What the emitter must know of the processor the code is for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """A processor: LLVM's triple, cpu and feature string, and the width of a vector register in bits."""

    triple: str
    cpu: str
    features: str
    vector_bits: int

    @property
    def lanes(self) -> int:
        """Threads of a gang: one 32-bit value each in a vector register."""
        return max(4, self.vector_bits // 32)

    @property
    def fuses(self) -> bool:
        """Whether it multiplies and adds with one rounding."""
        return self._has("+fma")

    @property
    def halves(self) -> bool:
        """Whether it converts between f16 and f32."""
        return self._has("+f16c")

    def _has(self, feature: str) -> bool:
        return not self.triple.startswith("x86_64") or feature in self.features.split(",")

    @property
    def registers(self) -> int:
        """Vector registers the architecture names."""
        return 32 if self.vector_bits >= 512 or self.triple.startswith("aarch64") else 16
