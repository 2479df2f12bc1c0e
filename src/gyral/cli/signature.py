"""Argument types written on the command line: `f32, Array[f32, 2], In[Array[f32x3]]`."""

import ast

import typer

from gyral.core.dtypes import BY_NAME, ArrayType, DType, ElementType, Vec

SIZES = (2, 3, 4)
ELEMENTS: dict[str, ElementType] = {
    **BY_NAME,
    "bool_": BY_NAME["bool"],
    **{f"{name}x{size}": Vec(dtype, size) for name, dtype in BY_NAME.items() for size in SIZES},
}


def parse(text: str) -> list[DType | Vec | ArrayType]:
    """The types that `text` lists. Raises typer.BadParameter for anything else."""
    try:
        tree = ast.parse(f"({text.strip().removesuffix(',')},)", mode="eval").body
    except SyntaxError as error:
        raise typer.BadParameter(f"{text!r} is not a list of types such as 'f32, Array[f32, 2]'") from error
    return [read(node) for node in tree.elts] if isinstance(tree, ast.Tuple) else [read(tree)]


def read(node: ast.expr) -> DType | Vec | ArrayType:
    """One type from its syntax tree; nothing is evaluated."""
    match node:
        case ast.Name(id=name) if isinstance(found := ELEMENTS.get(name), DType | Vec):
            return found
        case ast.Subscript(value=ast.Name(id="In"), slice=inner) if isinstance(
            array := read(inner), ArrayType
        ):
            return ArrayType(array.elem, array.rank, readonly=True)
        case ast.Subscript(
            value=ast.Name(id="Array"), slice=ast.Tuple(elts=[element, ast.Constant(value=int(rank))])
        ):
            return make_array(read(element), rank, node)
        case ast.Subscript(value=ast.Name(id="Array"), slice=element):
            return make_array(read(element), 1, node)
    raise wrong(node)


def make_array(element: DType | Vec | ArrayType, rank: int, node: ast.expr) -> ArrayType:
    """An array type of rank 1 to 4."""
    if isinstance(element, ArrayType) or rank not in (1, 2, 3, 4):
        raise wrong(node)
    return ArrayType(element, rank)


def wrong(node: ast.expr) -> typer.BadParameter:
    """What to say about a type that is none."""
    return typer.BadParameter(
        f"{ast.unparse(node)!r} is no type; write f32, f32x3, Array[f32] or Array[f32, 2]"
    )
