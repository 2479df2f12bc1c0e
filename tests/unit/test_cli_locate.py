"""Finding kernels by FILE:KERNEL."""

from pathlib import Path

import pytest
import typer

from gyral.cli.locate import split


@pytest.mark.parametrize(("suffix", "kernel"), [("", None), (":saxpy", "saxpy")])
def test_a_kernel_is_named_after_a_colon(tmp_path: Path, suffix: str, kernel: str | None) -> None:
    """FILE alone means all its kernels, FILE:KERNEL one of them."""
    file = tmp_path / "kernels.py"
    file.touch()
    assert split(f"{file}{suffix}") == (file, kernel)


def test_a_colon_in_a_path_is_part_of_it(tmp_path: Path) -> None:
    """Only a name after the last colon is a kernel's."""
    file = tmp_path / "a:b" / "kernels.py"
    file.parent.mkdir()
    file.touch()
    assert split(str(file)) == (file, None)


def test_a_missing_file_is_a_wrong_command_line(tmp_path: Path) -> None:
    """A file that is not there is refused by name."""
    with pytest.raises(typer.BadParameter, match=r"missing\.py"):
        split(f"{tmp_path / 'missing.py'}:saxpy")
