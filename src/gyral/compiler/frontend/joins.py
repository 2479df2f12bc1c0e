"""The types of names: each web joins what is assigned to it, and lowering repeats until nothing changes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gyral.compiler.frontend.promote import is_wide, joins, promote
from gyral.compiler.frontend.values import Const, Number, is_float, is_weak, weak_dtype
from gyral.compiler.ir.graph import Value
from gyral.core.dtypes import DType, bool_, f32, f64, i32

Found: TypeAlias = tuple[DType, bool]  # the type, and whether it is still weak


@dataclass(slots=True)
class Join:
    """What the definitions of one web are together: a number, or a tuple of joins, or one fixed kind.

    `assumed` is what the last pass found; in the first pass the type climbs as definitions are met.
    """

    name: str
    pinned: DType | None = None
    assumed: Found | None = None
    typed: dict[DType, ast.AST] = field(default_factory=dict)
    weak: Literal["", "int", "float"] = ""
    parts: list[Join] | None = None
    fixed: object = None
    fixed_at: ast.AST | None = None
    seen: Found | None = None
    changed: bool = False

    def begin(self) -> None:
        """Forget the definitions of the last pass, keep what was concluded."""
        self.typed, self.weak, self.changed, self.seen = {}, "", False, None
        if isinstance(self.fixed, Value):  # memory is made anew in each pass
            self.fixed, self.fixed_at = None, None
        for part in self.parts or ():
            part.begin()

    def note(self, number: Number, node: ast.AST) -> None:
        """Take in one definition."""
        if isinstance(number, Const) and isinstance(number.value, bool):
            self.typed.setdefault(bool_, node)
        elif not is_weak(number):
            self.typed.setdefault(weak_dtype(number), node)
        elif is_float(number):
            self.weak = "float"
        elif not self.weak:
            self.weak = "int"

    def current(self) -> Found:
        """The type the name has now."""
        if self.pinned is not None:
            return self.pinned, False
        if self.assumed is not None:
            return self.assumed
        found = self._resolve()
        self.changed = self.changed or (self.seen is not None and self.seen != found)
        self.seen = found
        return found

    def _resolve(self) -> Found:
        if not self.typed:
            return (f32 if self.weak == "float" else i32), True
        whole: DType | None = None
        for t in self.typed:
            whole = t if whole is None or whole is t else promote(whole, t) or whole
        whole = whole or i32
        if self.weak == "float" and not whole.is_float and whole is not bool_:
            whole = f64 if is_wide(whole) else f32
        elif self.weak == "int" and whole.is_integer and whole.bits < 32:
            whole = i32
        return whole, False

    def known(self) -> bool:
        """Whether any definition has been met, in this pass or the last."""
        if self.parts is not None:
            return all(part.known() for part in self.parts)
        return bool(self.typed or self.weak or self.assumed or self.pinned or self.fixed is not None)

    def settle(self) -> bool:
        """End a pass: conclude a type; whether it differs from what this pass worked with."""
        if self.parts is not None:
            return bool([part for part in self.parts if part.settle()])
        if self.fixed is not None or self.pinned is not None or not (self.typed or self.weak):
            return False
        found = self._resolve()
        if self.assumed is None:
            changed, self.changed = self.changed, False
            if changed:
                self.assumed = found
            return changed
        if found[1]:
            found = found[0], self.assumed[1]  # a default once chosen stays
        changed = found != self.assumed
        self.assumed = found
        return changed

    def harden(self) -> None:
        """Give a name that met nothing typed its default type."""
        for part in self.parts or ():
            part.harden()
        found = self.assumed or self._resolve()
        if found[1] and self.weak:
            self.assumed = found[0], False

    def conflict(self) -> tuple[DType, ast.AST, DType, ast.AST | None] | None:
        """A definition whose type the name cannot take: its type and place, and those of another one."""
        for part in self.parts or ():
            found = part.conflict()
            if found is not None:
                return found
        if self.pinned is not None or not self.typed:
            return None
        whole, _ = self._resolve()
        for t, node in self.typed.items():
            if not self._takes(t, whole):
                other, place = next(((o, n) for o, n in self.typed.items() if o is not t), (whole, node))
                if getattr(place, "lineno", 0) > getattr(node, "lineno", 0):
                    return other, place, t, node
                return t, node, other, place
        if self.weak and whole is bool_:
            return bool_, self.typed[bool_], i32, None
        return None

    def _takes(self, t: DType, whole: DType) -> bool:
        if joins(t, whole):
            return True
        if self.weak == "int" and t.is_integer and t.bits < 32:
            return whole is i32
        return self.weak == "float" and t.is_integer and whole.is_float
