"""Code and fields of a predictor: what tells two versions of a class, a function, a module or an object apart."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pgxeval.genome.identity import FileStamp, Json
from pgxeval.prediction.digest import bytes_digest

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.ndarray)


def class_name(kind: type) -> str:
    """Return the module and the qualified name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def is_written_in_python(kind: type) -> bool:
    """Tell whether a class holds nothing but attributes, rather than state in compiled code."""
    return is_made_at_run_time(kind) and ("__dict__" in vars(kind) or "__slots__" in vars(kind))


def is_made_at_run_time(kind: type) -> bool:
    """Tell whether a class was made by a class statement, rather than in compiled code."""
    return bool(kind.__flags__ & (1 << 9))  # Py_TPFLAGS_HEAPTYPE


def is_installed(module: str) -> bool:
    """Tell whether a module belongs to Python, to an installed package or to this library."""
    root = module.partition(".")[0]
    if root == "__main__":  # also where an installed program runs the code
        return False
    if root in sys.stdlib_module_names or root in ("builtins", "pgxeval"):
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return any(part in ("site-packages", "dist-packages") for part in Path(file).parts)


def is_installed_class(kind: type) -> bool:
    """Tell whether a class belongs to Python, to an installed package or to this library."""
    # exec() without a module name makes classes that claim to belong to builtins
    return is_installed(kind.__module__) and not (kind.__module__ == "builtins" and is_made_at_run_time(kind))


@functools.cache
def version_of(module: str) -> str | None:
    """Return the version of the package that a module belongs to; None for Python's own."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root == "builtins":
        return None
    version = getattr(sys.modules.get(root), "__version__", None)
    if isinstance(version, str):
        return version
    for name in (root, *importlib.metadata.packages_distributions().get(root, [])):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def module_identity(module: types.ModuleType) -> Json:
    """Return what tells two versions of a module apart: its package's version, or its source."""
    if is_installed(module.__name__):
        return {"module": module.__name__, "version": version_of(module.__name__)}
    file = getattr(module, "__file__", None)
    content: Json = FileStamp.of(file).identity() if file and Path(file).is_file() else None
    return {"module": module.__name__, "source": content}


def functions_in(member: object) -> Iterator[types.FunctionType]:
    """Yield the functions that a member of a class consists of."""
    inner: Sequence[object] = (member,)
    if isinstance(member, staticmethod | classmethod):
        inner = (member.__func__,)
    elif isinstance(member, property):
        inner = (member.fget, member.fset)
    elif isinstance(member, functools.cached_property):
        inner = (member.func,)
    for function in inner:
        unwrapped = getattr(function, "py_func", function)
        if isinstance(unwrapped, types.FunctionType):
            yield unwrapped


def is_constant(value: object) -> bool:
    """Tell whether a value cannot be changed in place."""
    if isinstance(value, tuple | frozenset):
        return all(map(is_constant, value))
    return isinstance(value, _CONSTANTS)


def is_filled(cell: types.CellType) -> bool:
    """Tell whether a cell of a closure has a value."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def names_in(code: types.CodeType) -> set[str]:
    """Return the names of variables and attributes that code refers to, nested code included."""
    nested = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(names_in, nested))


def code_identity(code: types.CodeType) -> Json:
    """Return what tells two versions of code apart: instructions, constants and names."""
    constants: list[Json] = []
    is_class = "__firstlineno__" in code.co_names  # from Python 3.13 on, a class knows its line
    for constant in code.co_consts:
        if is_class and constant == code.co_firstlineno:
            continue
        if isinstance(constant, types.CodeType):
            constants.append(code_identity(constant))
        elif isinstance(constant, frozenset):
            constants.append([*sorted(map(repr, constant))])
        else:
            constants.append(repr(constant))
    names: list[Json] = [*code.co_names, "|", *code.co_varnames, "|", *code.co_freevars]
    return {"code": bytes_digest(code.co_code), "constants": constants, "names": names}


def attributes_of(value: object) -> Iterator[tuple[str, object]]:
    """Yield the attributes that an object holds itself, in its dictionary and in slots."""
    names = dict.fromkeys(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
    for name in names:
        if name not in ("__dict__", "__weakref__") and hasattr(value, name):
            yield name, getattr(value, name)


def tensor_array(value: object) -> npt.NDArray[np.generic] | None:
    """Return the bytes of a PyTorch tensor; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    array: npt.NDArray[np.generic] = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()
    return array
