"""Code of a predictor: what tells two versions of a class, a function or a module apart."""

from __future__ import annotations

import dis
import functools
import importlib.metadata
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pgxeval.genome.identity import FileStamp, Json
from pgxeval.prediction.digest import bytes_digest

_CHANGES = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put", "remove",
    "setdefault", "update", "write",
})  # fmt: skip
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_ATTR"})
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
    if root in sys.stdlib_module_names or root in ("builtins", "pgxeval"):
        return root != "__main__"
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
    """Return the names that code refers to, nested code included."""
    nested = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(names_in, nested))


def changed_in(code: types.CodeType) -> set[str]:
    """Return the names of variables and attributes that code assigns or changes in place, nested code included.

    What a predictor changes itself is a record of what happened, such as a cache or a count, and not a setting.
    """
    changed: set[str] = set()
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "EXTENDED_ARG")]
    for number, step in enumerate(steps):
        owner: int | None = None
        if step.opname in ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR"):
            changed.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _CHANGES:
            owner = number - 1
        elif step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            owner = _before_expression(steps, number - 1)  # container[key] = value: the key is loaded last
        while owner is not None and owner >= 0 and steps[owner].opname == "BINARY_SUBSCR":  # container[first][second]
            owner = _before_expression(steps, owner - 1)
        if owner is not None and owner >= 0 and steps[owner].opname in _LOADS:
            changed.add(str(steps[owner].argval))
    nested = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return changed.union(*map(changed_in, nested))


def _before_expression(steps: Sequence[dis.Instruction], last: int) -> int | None:
    """Return the step before the expression that ends with step `last` and leaves one value on the stack."""
    depth = 0
    for number in range(last, -1, -1):
        step = steps[number]
        depth += dis.stack_effect(step.opcode, step.arg, jump=False)
        if depth == 1:
            return number - 1
    return None


def code_identity(code: types.CodeType) -> Json:
    """Return what tells two versions of code apart: instructions, constants and names."""
    constants: list[Json] = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            constants.append(code_identity(constant))
        elif isinstance(constant, frozenset):
            constants.append([*sorted(map(repr, constant))])
        else:
            constants.append(repr(constant))
    names: list[Json] = [*code.co_names, "|", *code.co_varnames, "|", *code.co_freevars]
    return {"code": bytes_digest(code.co_code), "constants": constants, "names": names}
