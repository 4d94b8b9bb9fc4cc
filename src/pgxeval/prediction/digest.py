"""Identity of a predictor: a description that covers everything that shapes its predictions, and its digest.

Two predictors with equal descriptions are taken to give equal predictions, so a value that cannot be described
completely is refused. The way out is always the same: an attribute or property `settings`, a mapping that lists
everything that shapes the predictions. It replaces the inspection of the object's own state.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import importlib.metadata
import inspect
import json
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DIGEST_BYTES = 16

_WHOLE_FILE_BYTES = 16 * 2**20
_SAMPLE_BYTES = 2**16
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.ndarray)
_GENERATED = "<attrs generated"
_NOT_BEHAVIOUR = frozenset({
    "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__match_args__", "__module__", "__qualname__",
    "__slots__", "__static_attributes__", "__weakref__", "_abc_impl", "_is_protocol", "__abstractmethods__",
    "__parameters__", "__orig_bases__", "__protocol_attrs__", "__non_callable_proto_members__", "__annotate__",
    "__annotate_func__", "__annotations_cache__", "__classdictcell__", "__setattr__", "__hash__",
})  # fmt: skip


def digest(description: Json) -> str:
    """Return the digest of a description: 32 hexadecimal digits that are the same in every process.

    Examples
    --------
    >>> digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    True
    """
    return hashlib.blake2b(_canonical(description).encode(), digest_size=DIGEST_BYTES).hexdigest()


def bytes_digest(*parts: bytes | memoryview) -> str:
    """Return the digest of bytes, 32 hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def array_digest(values: npt.NDArray[np.generic]) -> str:
    """Return the digest of an array's content, whatever its memory layout."""
    return bytes_digest(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


def file_identity(path: str | os.PathLike[str]) -> dict[str, Json]:
    """Return what distinguishes a file from another one, and from what it was before it changed.

    Parameters
    ----------
    path
        An existing file.

    Returns
    -------
    dict
        Size in bytes and a digest: of the whole content up to 16 MiB; of larger files, of 64 KiB at the start,
        in the middle and at the end, together with the time of the last change in nanoseconds.
    """
    path = Path(path)
    state = path.stat()
    identity: dict[str, Json] = {"bytes": state.st_size}
    with path.open("rb") as file:
        if state.st_size <= _WHOLE_FILE_BYTES:
            return {**identity, "content": bytes_digest(file.read())}
        parts = []
        for start in (0, state.st_size // 2, state.st_size - _SAMPLE_BYTES):
            file.seek(start)
            parts.append(file.read(_SAMPLE_BYTES))
    return {**identity, "changed_ns": state.st_mtime_ns, "samples": bytes_digest(*parts)}


def identify(value: object, name: str) -> Json:
    """Describe a value completely, as JSON.

    Described are numbers, texts, NumPy and pandas values and PyTorch tensors (by content), paths of existing
    files (by content, see `file_identity`), collections (sets and mappings in sorted order), functions
    (by bytecode), scikit-learn estimators, attrs classes, dataclasses and other objects by their fields and by
    the code of their class: its bytecode with the functions and constants that it refers to, or, for an
    installed package, its version.

    Parameters
    ----------
    value
        Any object.
    name
        What to call it in messages: ``"predictor 'mine'"``.

    Raises
    ------
    SettingError
        If some part cannot be described, such as a lock or an open file; the message names the part and shows
        how to give a `settings` mapping.

    Examples
    --------
    >>> identify({"leaf": np.int64(15), "grid": {3, 1, 2}}, "example") == identify({"grid": {2, 3, 1}, "leaf": 15}, "")
    True
    >>> identify({"grid": np.arange(3)}, "example") == identify({"grid": np.arange(4)}, "example")
    False
    """
    return _Walk(name=name).describe(value, "")


def differences(ours: Json, theirs: Json, where: str = "") -> list[str]:
    """Spell out how two descriptions differ.

    Parameters
    ----------
    ours, theirs
        Descriptions.
    where
        Path of both in a larger description, for the messages.

    Returns
    -------
    list of str
        One text per differing leaf: ``"folds: 3 instead of 5"`` (ours instead of theirs).

    Examples
    --------
    >>> differences({"folds": 3, "seed": 0}, {"folds": 5, "seed": 0})
    ['folds: 3 instead of 5']
    """
    if _canonical(ours) == _canonical(theirs):
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            text
            for key in dict.fromkeys([*ours, *theirs])
            for text in differences(ours.get(key), theirs.get(key), f"{where}.{key}".lstrip("."))
        ]
    return [f"{where or 'value'}: {_short(ours)} instead of {_short(theirs)}"]


def _short(value: Json) -> str:
    text = "nothing" if value is None else _canonical(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@attrs.frozen(kw_only=True, eq=False)
class _Walk:
    """One walk through an object; it ends at a reference to an object that contains it.

    Parameters
    ----------
    name
        What the whole object is called in messages.
    lenient
        Whether a part that cannot be described is described by its class alone: the rule for what code refers
        to, because such values are rarely settings.
    """

    name: str
    lenient: bool = False
    inside: list[int] = attrs.field(factory=list)
    described: dict[int, tuple[object, Json]] = attrs.field(factory=dict)
    coded: set[object] = attrs.field(factory=set)

    def describe(self, value: object, where: str) -> Json:
        """Describe one value; `where` is its path in the whole object."""
        if value is None or type(value) in (bool, int):
            return value  # type: ignore[return-value]
        if type(value) is str:
            return self._text(value)
        if isinstance(value, enum.Enum):
            return {"class": _class_name(type(value)), "member": value.name}
        if isinstance(value, float | complex | np.generic):
            return _number(value)
        if isinstance(value, str | int):
            return str(value) if isinstance(value, str) else int(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return {"bytes": bytes_digest(bytes(value))}
        if isinstance(value, os.PathLike):
            path = Path(os.fspath(value))
            return {"path": file_identity(path) if path.is_file() else str(path)}
        return self._once(value, where)

    def _once(self, value: object, where: str) -> Json:
        if id(value) in self.inside:
            return {"circle": len(self.inside) - self.inside.index(id(value))}
        if id(value) not in self.described:
            self.inside.append(id(value))
            # the object is held, because its identity may be taken again once it is gone
            self.described[id(value)] = value, self._collection(value, where)
            self.inside.pop()
        return self.described[id(value)][1]

    def _collection(self, value: object, where: str) -> Json:
        if isinstance(value, Mapping):
            items = {key: self.describe(item, f"{where}[{key!r}]") for key, item in value.items()}
            if all(isinstance(key, str) for key in value):
                return {str(key): item for key, item in items.items()}
            return {
                "mapping": sorted(([self.describe(key, where), item] for key, item in items.items()), key=_canonical)
            }
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return [self.describe(item, f"{where}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, set | frozenset):
            return {"set": sorted((self.describe(item, where) for item in value), key=_canonical)}
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
            return self._pandas(value, where)
        if isinstance(value, type):
            return {"class": _class_name(value), "code": self._class_code(value)}
        if isinstance(value, types.ModuleType):
            return {"module": value.__name__, "version": _version_of(value.__name__)}
        if callable(value) and (described := self._function(value, where)) is not None:
            return described
        return self._object(value, where)

    def _array(self, value: npt.NDArray[np.generic], where: str) -> Json:
        shape: list[Json] = list(value.shape)
        if value.dtype.hasobject:
            return {"array": shape, "items": self.describe(value.ravel().tolist(), where)}
        return {"array": shape, "dtype": value.dtype.str, "content": array_digest(value)}

    def _pandas(self, value: pd.DataFrame | pd.Series | pd.Index, where: str) -> Json:
        frame = value if isinstance(value, pd.DataFrame) else value.to_frame()
        columns: list[Json] = [
            [self.describe(str(label), where), str(column.dtype), self.describe(column.to_numpy(), where)]
            for label, column in frame.items()
        ]
        index: Json = None if isinstance(value, pd.Index) else self.describe(frame.index.to_numpy(), where)
        return {"table": columns, "index": index}

    def _text(self, value: str) -> Json:
        # a path is often given as text: what the file holds counts, as for a Path
        if value.startswith(("/", "~")) and len(value) < 4096 and "\0" not in value and Path(value).is_file():
            return {"path": file_identity(value)}
        return value

    def _function(self, value: object, where: str) -> Json:
        if isinstance(value, functools.partial):
            parts = [value.args, value.keywords]
            return {"partial": self.describe(value.func, where), "arguments": self.describe(parts, where)}
        if isinstance(value, types.MethodType):
            return {"method": value.__name__, "of": self.describe(value.__self__, where)}
        function = inspect.unwrap(value) if hasattr(value, "__wrapped__") else value  # type: ignore[arg-type]
        function = getattr(function, "py_func", function)  # compiled by numba
        if isinstance(function, types.FunctionType):
            return {"function": f"{function.__module__}.{function.__qualname__}", "code": self._function_code(function)}
        if isinstance(function, types.BuiltinFunctionType | np.ufunc):
            module = getattr(function, "__module__", None) or "builtins"
            return {"function": f"{module}.{function.__name__}", "version": _version_of(module)}
        return None

    def _object(self, value: object, where: str) -> Json:
        kind = type(value)
        described: dict[str, Json] = {"class": _class_name(kind), "code": self._class_code(kind)}
        if (tensor := _tensor_array(value)) is not None:
            return {
                **described,
                "content": [
                    str(getattr(value, "dtype", "")),
                    list(getattr(value, "shape", ())),
                    self._array(tensor, where),
                ],
            }
        settings = None if self.lenient else getattr(value, "settings", None)
        if isinstance(settings, Mapping):
            return {
                **described,
                "name": self.describe(getattr(value, "name", None), where),
                "settings": self.describe(dict(settings), f"{where}.settings"),
            }
        if self.lenient:
            return described
        return {**described, "state": self._state(value, where)}

    def _state(self, value: object, where: str) -> Json:
        """Describe the fields of an object: what its class returns from `__getstate__`, or else all attributes."""
        kind = type(value)
        if getattr(kind, "__getstate__", None) is not object.__getstate__ and not attrs.has(kind):
            try:
                state = value.__getstate__()
            except Exception as error:
                raise self._refuse(value, where) from error
            if state is not None:
                return self.describe(state, where)
        if all(base is object or _is_written_in_python(base) for base in kind.__mro__):
            fields = dict(_attributes(value))
            if hasattr(value, "get_params"):
                fields |= value.get_params(deep=False)
            return {field: self.describe(item, f"{where}.{field}") for field, item in fields.items()}
        try:  # an object of compiled code: what it would pickle
            reducer = copyreg.dispatch_table.get(kind)
            reduced = value.__reduce_ex__(4) if reducer is None else reducer(value)
        except Exception as error:
            raise self._refuse(value, where) from error
        if isinstance(reduced, str):
            return reduced
        items = [list(part) for part in reduced[3:5] if part is not None]
        return self.describe([*reduced[:3], *items], where)

    def _refuse(self, value: object, where: str) -> SettingError:
        part = f"its part {where.lstrip('.')} ({type(value).__name__})" if where else f"a {type(value).__name__}"
        return SettingError(
            f"{self.name} cannot be used with store=: {part} cannot be described, so that a store could not tell "
            "whether its predictions would still be the same. Give the predictor an attribute `settings`, a mapping "
            'of everything that shapes its predictions, such as settings = {"alpha": self.alpha, "weights": '
            'Path("weights.pt")}, or run without store='
        )

    def _class_code(self, kind: type) -> Json:
        own = [base for base in kind.__mro__ if not _is_installed_class(base)]
        installed = [base for base in kind.__mro__ if base is not object and _is_installed_class(base)]
        described: dict[str, Json] = {}
        versions: dict[str, Json] = {}
        for base in installed:
            if (version := _version_of(base.__module__)) is not None:
                versions[base.__module__.partition(".")[0]] = version
        if versions:
            described["versions"] = versions
        codes = [self._own_code(base) for base in own if base not in self.coded]
        if codes:
            described["own"] = digest(codes)
        return described

    def _own_code(self, kind: type) -> Json:
        self.coded.add(kind)
        parts: dict[str, Json] = {}
        for name, member in sorted(vars(kind).items()):
            if name in _NOT_BEHAVIOUR or name.startswith(("__attrs_", "__dataclass_")):
                continue
            functions = list(_functions_in(member))
            if functions:
                parts[name] = [self._function_code(function) for function in functions]
            elif _is_constant(member):
                parts[name] = self._leniently(member)
        return parts

    def _function_code(self, function: types.FunctionType) -> Json:
        module = function.__module__ or "builtins"
        if (module != "builtins" and _is_installed(module)) or function.__code__.co_filename.startswith(_GENERATED):
            return {"version": _version_of(module)}
        if function.__code__ in self.coded:
            return "recursive"
        self.coded.add(function.__code__)
        referred: dict[str, Json] = {}
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        values = {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}
        known = function.__globals__
        values |= {name: known[name] for name in _names(function.__code__) if name in known}
        for name, value in sorted(values.items()):
            if _is_constant(value):
                referred[name] = self._leniently(value)
            elif isinstance(value, types.FunctionType):
                referred[name] = self._function_code(value)
            elif isinstance(value, types.ModuleType):
                referred[name] = _module_identity(value)
            elif isinstance(value, type) and not _is_installed_class(value) and value not in self.coded:
                referred[name] = self._own_code(value)
        defaults = [function.__defaults__ or (), dict(function.__kwdefaults__ or {})]
        return digest([_code_identity(function.__code__), referred, self._leniently(defaults)])

    def _leniently(self, value: object) -> Json:
        return attrs.evolve(self, lenient=True, inside=[], described={}).describe(value, "")


def _number(value: float | complex | np.generic) -> Json:
    if isinstance(value, np.generic):
        plain = value.item()
        if isinstance(plain, np.generic) or not isinstance(plain, bool | int | float | str):
            return {"number": str(value), "dtype": value.dtype.str}
        if not isinstance(plain, float):
            return plain
        value = plain
    if isinstance(value, complex) or not np.isfinite(value):
        return {"number": repr(value)}
    return float(value)


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_written_in_python(kind: type) -> bool:
    """Tell whether a class holds nothing but attributes, rather than state in compiled code."""
    return _is_made_at_run_time(kind) and ("__dict__" in vars(kind) or "__slots__" in vars(kind))


def _is_made_at_run_time(kind: type) -> bool:
    return bool(kind.__flags__ & (1 << 9))  # Py_TPFLAGS_HEAPTYPE


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    names = dict.fromkeys(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
    for name in names:
        if name not in ("__dict__", "__weakref__") and hasattr(value, name):
            yield name, getattr(value, name)


def _tensor_array(value: object) -> npt.NDArray[np.generic] | None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    array: npt.NDArray[np.generic] = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()
    return array


def _is_installed(module: str) -> bool:
    """Tell whether a module belongs to Python, to an installed package or to this library."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in ("builtins", "pgxeval"):
        return root != "__main__"
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return any(part in ("site-packages", "dist-packages") for part in Path(file).parts)


def _is_installed_class(kind: type) -> bool:
    # exec() without a module name makes classes that claim to belong to builtins
    return _is_installed(kind.__module__) and not (kind.__module__ == "builtins" and _is_made_at_run_time(kind))


@functools.cache
def _version_of(module: str) -> str | None:
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


def _module_identity(module: types.ModuleType) -> Json:
    if _is_installed(module.__name__):
        return {"module": module.__name__, "version": _version_of(module.__name__)}
    file = getattr(module, "__file__", None)
    content: Json = file_identity(file) if file and Path(file).is_file() else None
    return {"module": module.__name__, "source": content}


def _functions_in(member: object) -> Iterator[types.FunctionType]:
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


def _is_constant(value: object) -> bool:
    """Tell whether a value is a setting; lists and mappings that code refers to often are records of what happened."""
    if isinstance(value, tuple | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, _CONSTANTS)


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _names(code: types.CodeType) -> set[str]:
    nested = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names, nested))


def _code_identity(code: types.CodeType) -> Json:
    constants: list[Json] = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            constants.append(_code_identity(constant))
        elif isinstance(constant, frozenset):
            constants.append([*sorted(map(repr, constant))])
        else:
            constants.append(repr(constant))
    names: list[Json] = [*code.co_names, "|", *code.co_varnames, "|", *code.co_freevars]
    return {"code": bytes_digest(code.co_code), "constants": constants, "names": names}
