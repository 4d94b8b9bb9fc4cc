"""ZarrFolder: the arrays of a Zarr group in a folder, a ``.zip`` file or at an address that fsspec opens.

It reads through zarr 3, which must be installed, and turns what can be wrong with such a store into clear errors.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import FsspecStore, LocalStore, WrapperStore, ZipStore

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.bgzf import is_remote
from pgxeval.genome.identity import FileStamp, Identity, Json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

    AnyArray = zarr.Array[ArrayV2Metadata] | zarr.Array[ArrayV3Metadata]

_METADATA = frozenset((".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"))
_WHOLE_BYTES = 1 << 24
_SAMPLE_BYTES = 1 << 12
_N_SAMPLES = 256
_BLOSC_HEADER = 16
_NEVER_EMPTY = frozenset(("sample_id", "contig_id", "variant_position", "variant_allele"))


class _IncompleteError(Exception):
    """A chunk is missing or shorter than its header states."""


class _CheckedStore(WrapperStore["Store"]):
    """Refuses chunks that are cut, and missing ones of arrays whose chunks cannot be empty.

    zarr writes no chunk that holds only the fill value, and reads a missing chunk as such. Attribute `absent` holds the
    first missing chunk of each array, because an incomplete copy looks the same.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.blosc: frozenset[str] = frozenset()
        self.absent: dict[str, str] = {}

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        return self._checked(key, await self._store.get(key, prototype, byte_range), whole=byte_range is None)

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        for key, prototype, byte_range in requests:
            yield key, await self.get(key, prototype, byte_range)

    def _checked(self, key: str, content: Buffer | None, *, whole: bool) -> Buffer | None:
        array, _, chunk = key.partition("/")
        if not chunk or chunk in _METADATA:
            return content
        if content is None:
            if array in _NEVER_EMPTY:
                raise _IncompleteError(f"chunk {chunk} of {array} is missing")
            self.absent.setdefault(array, chunk)
        elif whole and array in self.blosc:
            stated = struct.unpack_from("<I", content.to_bytes()[:_BLOSC_HEADER].ljust(_BLOSC_HEADER, b"\0"), 12)[0]
            if stated != len(content):  # Blosc itself would read beyond the end
                raise _IncompleteError(f"chunk {chunk} of {array} has {len(content):,} bytes; expected {stated:,}")
        return content


class ZarrFolder:
    """The arrays of a Zarr group.

    Parameters
    ----------
    path
        Local folder, local ``.zip`` file, or an address that fsspec opens.
    arrays
        Names of the arrays that may be read.

    Raises
    ------
    InputFileError
        If there is no Zarr group, or it cannot be opened.
    """

    def __init__(self, path: str, arrays: Iterable[str]) -> None:
        self.path = path if is_remote(path) else str(Path(path).absolute())
        self._names = tuple(arrays)
        self._local = None if is_remote(path) else Path(self.path)
        self._store = _CheckedStore(self._open_store())
        try:
            self._group = zarr.open_group(store=self._store, mode="r")
            self.attributes: Mapping[str, object] = dict(self._group.attrs)
            self._arrays = {name: array for name in self._names if (array := self._find(name)) is not None}
        except InputFileError:
            raise
        except FileNotFoundError as error:
            raise InputFileError(f"{self.path}: not a Zarr group: neither .zgroup nor zarr.json is there") from error
        except Exception as error:  # metadata may be anything
            raise InputFileError(f"{self.path}: not a Zarr store that can be read ({_said(error)})") from error
        self._store.blosc = frozenset(name for name, array in self._arrays.items() if _ends_with_blosc(array))

    def _open_store(self) -> Store:
        if self._local is None:
            try:
                return FsspecStore.from_url(self.path, read_only=True)
            except (ImportError, ValueError, OSError) as error:
                raise InputFileError(f"{self.path}: this address cannot be opened ({_said(error)})") from error
        if self._local.is_dir():
            return LocalStore(self._local, read_only=True)
        try:
            with zipfile.ZipFile(self._local) as packed:
                names = packed.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise InputFileError(f"{self.path}: damaged or not a zip file ({error})") from error
        if not _METADATA & set(names):
            inner = next((name.partition("/")[0] for name in names if name.rpartition("/")[2] in _METADATA), None)
            hint = (
                ""
                if inner is None
                else f": its arrays lie in the folder {inner}; run `cd {inner} && zip -0r ../x.zip .`"
            )
            raise InputFileError(f"{self.path}: no Zarr group at the top of this zip file{hint}")
        store = ZipStore(self._local, mode="r")
        store._sync_open()
        return store

    def _find(self, name: str) -> AnyArray | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr warns of strings, which its format 3 does not define yet
            try:
                member = self._group[name]
            except KeyError:
                return None
        if not isinstance(member, zarr.Array):
            raise InputFileError(f"{self.path}: {name} is a group; expected an array")
        return member

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array."""
        return tuple(self._arrays[name].shape)

    def chunk_length(self, name: str) -> int:
        """Return the number of rows that are stored together."""
        return int(self._arrays[name].chunks[0])

    def dtype(self, name: str) -> np.dtype[np.generic]:
        """Return the type of an array."""
        return np.dtype(self._arrays[name].dtype)

    def read(self, name: str, begin: int = 0, end: int | None = None) -> npt.NDArray[np.generic]:
        """Read rows ``[begin, end)`` of an array.

        Raises
        ------
        InputFileError
            If a chunk is missing, cut or damaged.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return cast("npt.NDArray[np.generic]", np.asarray(self._arrays[name][begin:end]))
        except Exception as error:  # a codec may fail with anything
            rows = "" if end is None else f" rows {begin:,} to {end:,} of"
            raise InputFileError(
                f"{self.path}: truncated or damaged:{rows} {name} cannot be read ({_said(error)}); copy or make the "
                "store again"
            ) from error

    def absent_chunk(self, name: str) -> str | None:
        """Return a chunk of an array that was read as its fill value because it is not there; None if there is none."""
        return self._store.absent.get(name)

    def stamps(self) -> tuple[FileStamp, ...]:
        """Return sizes and times of what changes when the store does: metadata and folders, or the file."""
        if self._local is None:
            return ()
        if not self._local.is_dir():
            return (FileStamp.of(self._local),)
        places = [self._local, *(self._local / name for name in self._arrays)]
        files = [place / name for place in places for name in sorted(_METADATA) if (place / name).is_file()]
        return tuple(FileStamp.of(path) for path in [*places, *files])

    def identity(self) -> Identity:
        """Return what tells this version of the arrays from others: number, size and a digest of the files.

        Up to 16 MiB all of the content is digested; above, samples of it, and the time of the last change is part
        of the identity.

        Raises
        ------
        InputFileError
            If the files cannot be read.
        """
        if self._local is None:
            return {"address": self.path}
        if not self._local.is_dir():
            return FileStamp.of(self._local).identity()
        try:
            return self._folder_identity(self._local)
        except OSError as error:
            raise InputFileError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _folder_identity(self, folder: Path) -> Identity:
        files = sorted(
            (str(path.relative_to(folder)), path)
            for name in self._arrays
            for path in (folder / name).rglob("*")
            if path.is_file()
        )
        files += [(name, folder / name) for name in sorted(_METADATA) if (folder / name).is_file()]
        status = [path.stat() for _, path in files]
        size = sum(one.st_size for one in status)
        digest = hashlib.blake2b(digest_size=16)
        for (name, _), one in zip(files, status, strict=True):
            digest.update(f"{name}\0{one.st_size}\0".encode())
        whole = size <= _WHOLE_BYTES
        step = 1 if whole else max(1, len(files) // _N_SAMPLES)
        for row, (_, path) in enumerate(files):
            if row % step == 0 or path.name in _METADATA:
                with path.open("rb") as handle:
                    digest.update(handle.read(-1 if whole or path.name in _METADATA else _SAMPLE_BYTES))
        identity: dict[str, Json] = {"files": len(files), "size": size, "content": digest.hexdigest()}
        return identity if whole else {**identity, "modified_ns": max(one.st_mtime_ns for one in status)}


def _ends_with_blosc(array: AnyArray) -> bool:
    """Whether each stored chunk is what Blosc wrote, without a further codec around it."""
    compressors = array.compressors
    if array.shards is not None or not compressors:
        return False
    return type(compressors[-1]).__name__.startswith("Blosc")


def _said(error: BaseException) -> str:
    """Return the class of an error and the first line of its message."""
    first = str(error).partition("\n")[0][:200]
    if isinstance(error, _IncompleteError):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
