"""Where words are, for native code. Whoever asks keeps them there for as long as the address is used."""

from __future__ import annotations

from ctypes import addressof, c_char
from typing import Any

import numpy.typing as npt


def address_of(array: npt.NDArray[Any]) -> int:
    """The address of an array: `array.ctypes.data`, in half the time where the array may be written to."""
    if array.flags.writeable and array.size:
        return address_of_buffer(array)
    address: int = array.ctypes.data
    return address


def address_of_buffer(buffer: Any) -> int:
    """The address of what may be written to and is not empty: an array, a bytearray, a memoryview."""
    return addressof(c_char.from_buffer(buffer))
