"""Identity of a predictor: a description that covers everything that shapes its predictions, and its digest.

Two predictors with equal descriptions are taken to give equal predictions, so a value that cannot be described
completely is refused. The way out is always the same: an attribute or property `settings`, a mapping that lists
everything that shapes the predictions. It replaces the inspection of the object's own state.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import inspect
import logging
import os
import types
from collections.abc import Collection, Mapping
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.genome.identity import FileStamp, Json
from pgxeval.prediction.code_records import Records, variables_around
from pgxeval.prediction.digest import array_digest, bytes_digest, canonical, digest
from pgxeval.prediction.predictor_code import (
    attributes_of,
    class_name,
    code_identity,
    functions_in,
    is_constant,
    is_installed,
    is_installed_class,
    is_written_in_python,
    module_identity,
    names_in,
    tensor_array,
    version_of,
)

_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)
_GENERATED = "<attrs generated"
_NOT_BEHAVIOUR = frozenset({
    "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__match_args__", "__module__", "__qualname__",
    "__slots__", "__static_attributes__", "__weakref__", "_abc_impl", "_is_protocol", "__abstractmethods__",
    "__parameters__", "__orig_bases__", "__protocol_attrs__", "__non_callable_proto_members__", "__annotate__",
    "__annotate_func__", "__annotations_cache__", "__classdictcell__", "__setattr__", "__hash__",
})  # fmt: skip


def identify(value: object, name: str) -> Json:
    """Describe a value completely, as JSON.

    Described are numbers, texts, NumPy and pandas values and PyTorch tensors (by content), paths of existing
    files (by content, see `pgxeval.genome.identity.FileStamp`), collections (sets and mappings in sorted order),
    functions (by bytecode), scikit-learn estimators, attrs classes, dataclasses and other objects by their fields and
    by the code of their class: its bytecode with everything that it refers to and does not change itself, or, for an
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
    records: Records = attrs.field(factory=Records)

    def describe(self, value: object, where: str) -> Json:
        """Describe one value; `where` is its path in the whole object."""
        if value is None or type(value) in (bool, int):
            return value  # type: ignore[return-value]
        if type(value) is str:
            return self._text(value)
        if isinstance(value, enum.Enum):
            return {"class": class_name(type(value)), "member": value.name, "value": self.describe(value.value, where)}
        if isinstance(value, float | complex | np.generic):
            return _number(value)
        if isinstance(value, str | int):
            return str(value) if isinstance(value, str) else int(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return {"bytes": bytes_digest(bytes(value))}
        if isinstance(value, os.PathLike):
            path = Path(os.fspath(value))
            return {"path": FileStamp.of(path).identity() if path.is_file() else str(path)}
        return self._once(value, where)

    def _once(self, value: object, where: str) -> Json:
        if id(value) in self.inside:
            return {"circle": len(self.inside) - self.inside.index(id(value))}
        if id(value) not in self.described:
            self.inside.append(id(value))
            try:
                # the object is held, because its identity may be taken again once it is gone
                self.described[id(value)] = value, self._collection(value, where)
            finally:
                self.inside.pop()
        return self.described[id(value)][1]

    def _collection(self, value: object, where: str) -> Json:
        if value is os.environ or isinstance(value, logging.Logger):  # of this process
            return {"class": class_name(type(value))}
        if isinstance(value, Mapping):
            items = {key: self.describe(item, f"{where}[{key!r}]") for key, item in value.items()}
            if all(isinstance(key, str) for key in value):
                return {str(key): item for key, item in items.items()}
            return {
                "mapping": sorted(([self.describe(key, where), item] for key, item in items.items()), key=canonical)
            }
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return [self.describe(item, f"{where}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, set | frozenset):
            return {"set": sorted((self.describe(item, where) for item in value), key=canonical)}
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
            return self._pandas(value, where)
        if isinstance(value, type):
            return {"class": class_name(value), "code": self._class_code(value)}
        if isinstance(value, types.ModuleType):
            return {"module": value.__name__, "version": version_of(value.__name__)}
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
        if not value.startswith(("/", "~")):
            return value
        try:
            return {"path": FileStamp.of(value).identity()} if Path(value).is_file() else value
        except (OSError, ValueError):  # longer than a path can be, or of a file that cannot be read
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
            return {"function": f"{module}.{function.__name__}", "version": version_of(module)}
        return None

    def _object(self, value: object, where: str) -> Json:
        kind = type(value)
        described: dict[str, Json] = {"class": class_name(kind), "code": self._class_code(kind)}
        if (tensor := tensor_array(value)) is not None:
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
        if all(base is object or is_written_in_python(base) for base in kind.__mro__):
            fields = dict(attributes_of(value))
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
        own = [base for base in kind.__mro__ if not is_installed_class(base)]
        installed = [base for base in kind.__mro__ if base is not object and is_installed_class(base)]
        described: dict[str, Json] = {}
        versions: dict[str, Json] = {}
        for base in installed:
            if (version := version_of(base.__module__)) is not None:
                versions[base.__module__.partition(".")[0]] = version
        if versions:
            described["versions"] = versions
        codes = [self._own_code(base) for base in own if base not in self.coded]
        if codes:
            described["own"] = digest(codes)
        return described

    def _own_code(self, kind: type) -> Json:
        self.coded.add(kind)
        self.records.search(kind)
        parts: dict[str, Json] = {}
        for name, member in sorted(vars(kind).items()):
            if name in _NOT_BEHAVIOUR or name.startswith(("__attrs_", "__dataclass_")):
                continue
            functions = list(functions_in(member))
            if functions:
                parts[name] = [self._function_code(function) for function in functions]
            elif not isinstance(member, _DESCRIPTORS):
                parts[name] = self._referred(member, is_record=self.records.is_record(kind, name))
        return parts

    def _function_code(self, function: types.FunctionType) -> Json:
        module = function.__module__ or "builtins"
        if (module != "builtins" and is_installed(module)) or function.__code__.co_filename.startswith(_GENERATED):
            return {"version": version_of(module)}
        if function.__code__ in self.coded:
            return "recursive"
        self.coded.add(function.__code__)
        self.records.search(function)
        names = names_in(function.__code__)
        referred = {
            name: self._referred(value, is_record=key in self.records.found, names=names)
            for name, (key, value) in sorted(variables_around(function).items())
        }
        defaults = [function.__defaults__ or (), dict(function.__kwdefaults__ or {})]
        return digest([code_identity(function.__code__), referred, self._leniently(defaults)])

    def _referred(self, value: object, *, is_record: bool, names: Collection[str] = ()) -> Json:
        """Describe what code refers to: a variable around it, a global one, or an attribute of its class.

        What the code changes itself is a record, and what cannot be described, such as a lock, is rarely a setting:
        of a record only the class counts, of the other the code of the class as well. `names` are those that the code
        uses, of which a module may hold some.
        """
        if isinstance(value, types.FunctionType):
            return self._function_code(value)
        if isinstance(value, types.ModuleType):
            return self._module(value, names)
        if isinstance(value, type):
            return self._class_code(value)
        if is_record or (self.lenient and not is_constant(value)):
            return class_name(type(value))
        if is_constant(value):
            return self._leniently(value)
        coded = set(self.coded)
        try:
            return self.describe(value, "")
        except Exception:  # describing runs code of the value
            self.coded.intersection_update(coded)
        try:
            return self._leniently(value)
        except Exception:
            return class_name(type(value))

    def _module(self, module: types.ModuleType, names: Collection[str]) -> Json:
        identity = module_identity(module)
        if is_installed(module.__name__) or module.__name__ in self.coded:
            return identity
        self.coded.add(module.__name__)
        held = {name: vars(module)[name] for name in sorted(names) if name in vars(module)}
        return [
            identity,
            {
                name: self._referred(value, is_record=self.records.is_record(vars(module), name), names=names)
                for name, value in held.items()
            },
        ]

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
