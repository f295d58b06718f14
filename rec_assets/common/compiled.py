"""Decorators for loops over arrays that Numba compiles. A module that uses them is imported inside functions only.

Numba takes a second to import, and 80 MB of each process.
"""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def part_of_loop(function: F) -> F:
    """Lets compiled functions call this one."""
    from numba import njit

    return njit(function)


def compiled(*arguments: str) -> Callable[[F], F]:
    """Compiles a function at its import, for these types of arguments only, so that no call compiles anything.

    The machine code is kept beside the function's file, or in the user's cache, and later processes load it. Only a
    change of that file replaces it, so the function must read no values of other modules.

    Args:
        arguments: type of each argument: a scalar such as `float64`, or an array such as `int32[:]` or `float32[:,:]`
            with any strides. The function must not change an array unless its type ends with `!`.
    """
    from numba import njit, types

    def type_of(text: str) -> Any:
        scalar, _, axes = text.partition("[")
        dtype = getattr(types, scalar)
        return types.Array(dtype, axes.count(":"), "A", readonly=not axes.endswith("!")) if axes else dtype

    signature = types.void(*map(type_of, arguments))

    def decorate(function: F) -> F:
        try:
            return njit(signature, cache=True, nogil=True)(function)
        except RuntimeError:  # no folder for machine code is writable, as in an image with a read-only file system
            return njit(signature, nogil=True)(function)

    return decorate
