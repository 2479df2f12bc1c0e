"""Device arrays behind NumPy's protocols, on memory the host reaches and on memory it does not."""

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import DeviceError, UnsupportedError, UserError
from gyral.runtime.elements import same_layout


def test_an_array_says_what_it_is() -> None:
    """The repr names shape, element type and device."""
    assert repr(gy.zeros((2, 3), gy.f32)) == "DeviceArray(shape=(2, 3), dtype=f32, device='cpu')"


def test_the_length_is_the_first_axis() -> None:
    """len() gives the first extent, and an array without axes has none."""
    assert len(gy.zeros((4, 2), gy.f32)) == 4
    with pytest.raises(UserError, match="no length"):
        len(gy.zeros((), gy.f32))


@pytest.mark.parametrize("device", ["cpu", "null"])
def test_numpy_converts_when_asked(device: str) -> None:
    """np.asarray with another dtype gives a converted copy."""
    made = gy.array([1, 2], gy.i32, device=device)
    found = np.asarray(made, dtype=np.float64)
    assert (found.dtype, found.tolist()) == (np.dtype(np.float64), [1, 2])


def test_a_conversion_without_a_copy_is_refused() -> None:
    """copy=False with another dtype is a ValueError, as NumPy has it."""
    with pytest.raises(ValueError, match="copy=False"):
        gy.zeros(2, gy.f32).__array__(np.float64, copy=False)


def test_a_copy_from_afar_must_be_allowed() -> None:
    """Memory that the host cannot reach is always copied, so copy=False is a ValueError there."""
    with pytest.raises(ValueError, match="copy=False"):
        gy.zeros(2, gy.f32, device="null").__array__(copy=False)


def test_copy_decides_whether_memory_is_shared() -> None:
    """copy=True gives memory of its own, copy=False the array's."""
    made = gy.zeros(2, gy.f32)
    own, shared = made.__array__(copy=True), made.__array__(copy=False)
    made.fill(3)
    assert (own.tolist(), shared.tolist()) == ([0, 0], [3, 3])


def test_a_memoryview_is_the_memory() -> None:
    """The buffer of an array on the CPU is written in place."""
    made = gy.zeros(3, gy.i32)
    made.__buffer__(0)[1] = 9
    assert made.numpy().tolist() == [0, 9, 0]


def test_a_memoryview_needs_host_memory() -> None:
    """Memory that the host cannot reach has no buffer and no DLPack device."""
    made = gy.zeros(3, gy.i32, device="null")
    with pytest.raises(UnsupportedError, match="memoryview"):
        made.__buffer__(0)
    with pytest.raises(UnsupportedError, match="DLPack"):
        made.__dlpack_device__()


def test_dlpack_says_where_the_memory_is() -> None:
    """The DLPack device of an array on the CPU is host memory."""
    assert gy.zeros(3, gy.i32).__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("device", ["cpu", "null"])
def test_an_array_of_an_array_is_a_copy(device: str) -> None:
    """gy.array of a device array copies it, where it is or to the device asked for."""
    source = gy.array([1.0, 2.0], gy.f32)
    made = gy.array(source, device=device)
    source.fill(0)
    assert (made.device.name, made.numpy().tolist()) == (device, [1, 2])


def test_an_array_of_vectors_needs_their_axis() -> None:
    """Vectors are made of a last axis of their size."""
    with pytest.raises(UserError, match="last axis has 3 elements"):
        gy.array(np.zeros((5, 4)), gy.f32x3)
    assert gy.array(np.zeros((5, 3)), gy.f32x3).shape == (5,)


def test_numpy_names_are_element_types() -> None:
    """A NumPy dtype or its name serves where an element type is asked for."""
    assert (gy.zeros(1, "int16").dtype, gy.zeros(1, np.float64).dtype) == (gy.i16, gy.f64)


def test_a_dtype_without_an_element_type_is_named() -> None:
    """A dtype that kernels lack is refused where an array is made of it, by us and by DLPack."""
    with pytest.raises(UserError, match="complex64"):
        gy.zeros(1, np.complex64)
    with pytest.raises(UserError, match="complex64"):
        gy.from_dlpack(np.zeros(1, np.complex64))


def test_bytes_in_another_order_are_another_layout() -> None:
    """A dtype of the other byte order does not hold a kernel's elements."""
    found = [same_layout(np.dtype(order + "f4"), gy.f32) for order in "<>"]
    assert sorted(found) == [False, True]


def test_a_vector_has_a_layout_of_its_own() -> None:
    """A subarray dtype of the vector's element and size holds vectors; another size does not."""
    found = [same_layout(np.dtype((np.float32, (n,))), gy.f32x3) for n in (2, 3)]
    assert found == [False, True]


def test_unknown_options_are_named() -> None:
    """gy.options refuses a word it does not know and lists those it does."""
    with pytest.raises(UserError, match=r"no option 'speed'; known: .*fastmath"):
        gy.options(speed=1)


def test_more_bytes_than_addresses_are_no_memory() -> None:
    """An array that no address space holds is the device's lack of memory."""
    with pytest.raises(DeviceError, match="bytes of memory left"):
        gy.zeros((2**40, 2**40), gy.f32)
