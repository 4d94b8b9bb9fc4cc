"""Files of a prediction store: results of some genes, whole and checked when they are read.

A part is a Parquet file with the columns of the predictions table, which any program reads; the key of each gene
and the settings used are in its metadata. Until the last gene of a part is done, the finished genes are kept one
by one in Arrow files, which are fast to write. The name of either file ends with a digest of its content, so that
a damaged file is always noticed, and two processes that write the same content write the same file.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pgxeval.errors import InputFileError
from pgxeval.prediction.digest import bytes_digest
from pgxeval.prediction.results import GeneResult
from pgxeval.provenance import describe
from pgxeval.tables.checking import COLUMNS
from pgxeval.tables.writing import whole_file

FORMAT = 1
PART = ".parquet"
SINGLE = ".arrow"

_META = b"pgxeval"
_HIGH_ENTROPY = ("prediction",)
_DIGEST_LETTERS = 16


class DamagedPartError(InputFileError):
    """A part is not what was written, or was written by another version of the store."""


@attrs.frozen(kw_only=True, eq=False)
class Part:
    """The content of a file of the store.

    Parameters
    ----------
    keys
        Gene -> digest of everything that shapes its predictions, in the order of `results`.
    results
        What was predicted for them.
    """

    keys: Mapping[str, str]
    results: tuple[GeneResult, ...]


@attrs.frozen(kw_only=True, eq=False)
class PartContents:
    """What a file of the store holds, without the predictions.

    Parameters
    ----------
    keys
        Gene -> digest of everything that shapes its predictions.
    used
        Gene -> settings as used for the observed replicate.
    """

    keys: Mapping[str, str]
    used: Mapping[str, tuple[Mapping[str, Any], ...]]


def write_part(folder: Path, label: str, part: Part, individuals: Sequence[str], *, single: bool = False) -> Path:
    """Write a part into an existing folder, whole or not at all.

    Parameters
    ----------
    folder, label
        Where, and what the file's name begins with.
    part
        Results of one predictor.
    individuals
        Names of the columns of the results.
    single
        Whether to write the Arrow file of a gene whose part is not complete.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    table = _table(part, individuals)
    sink = pa.BufferOutputStream()
    if single:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        import pyarrow.parquet as pq

        plain = [name for name in table.column_names if name not in _HIGH_ENTROPY]
        pq.write_table(table, sink, compression="zstd", use_dictionary=plain, write_page_checksum=True)
    content = sink.getvalue()
    name = f"{label}-{bytes_digest(memoryview(content))[:_DIGEST_LETTERS]}{SINGLE if single else PART}"
    with whole_file(folder / name, sync=not single) as file:
        file.write(content)
    return folder / name


def read_part(path: Path) -> Part:
    """Read a part.

    Raises
    ------
    DamagedPartError
        If it is not what was written, or is of another version of the store.
    FileNotFoundError
        If it has gone.
    OSError
        If it cannot be read.
    """
    import pyarrow.parquet as pq

    source = _checked(path)
    with _naming(path):
        table = pq.read_table(source) if path.suffix == PART else pa.ipc.open_file(source).read_all()
        meta = _meta(table.schema)
        return Part(keys=dict(meta["genes"]), results=tuple(_results(table, meta)))


def read_contents(path: Path) -> PartContents:
    """Check a part and read which genes it holds, without decoding the predictions; raises as `read_part`."""
    import pyarrow.parquet as pq

    source = _checked(path)
    with _naming(path):
        meta = _meta(pq.read_schema(source) if path.suffix == PART else pa.ipc.open_file(source).schema)
        genes = [gene_id for gene_id, _ in meta["genes"]]
        return PartContents(keys=dict(meta["genes"]), used=dict(zip(genes, map(tuple, meta["used"]), strict=True)))


def _checked(path: Path) -> pa.BufferReader:
    content = path.read_bytes()
    if path.stem.rpartition("-")[2] != bytes_digest(content)[:_DIGEST_LETTERS]:
        raise DamagedPartError(f"{path.name} is damaged: its content does not have the digest of its name")
    return pa.BufferReader(content)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, DamagedPartError):
            raise
        raise DamagedPartError(f"{path.name} is not a part of a prediction store ({type(error).__name__})") from error


def _meta(schema: pa.Schema) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads((schema.metadata or {})[_META])
    if meta["format"] != FORMAT:
        raise DamagedPartError(f"the part has format {meta['format']} of the store; this version reads format {FORMAT}")
    return meta


def _table(part: Part, individuals: Sequence[str]) -> pa.Table:
    n = len(individuals)
    results = part.results
    sizes = [len(result.prediction) for result in results]
    texts: dict[str, int] = {}
    reason = np.full((sum(sizes), n), -1, dtype=np.int32)
    all_reasons = [reasons for result in results for reasons in result.reasons]
    for row, reasons in enumerate(all_reasons):
        for individual, text in sorted(reasons.items()):
            reason[row, individual] = texts.setdefault(text, len(texts))
    fold = np.concatenate([_or_fill(result.fold, 0, result, np.int16) for result in results])
    no_fold = np.concatenate([np.full(result.prediction.shape, result.fold is None) for result in results])
    training_mean = np.concatenate([_or_fill(result.training_mean, np.nan, result, np.float64) for result in results])
    prediction = np.concatenate([result.prediction for result in results])
    columns = {
        "predictor": _dictionary(np.zeros(reason.size, dtype=np.int32), [results[0].predictor]),
        "gene_id": _dictionary(
            np.repeat(np.arange(len(results), dtype=np.int32), np.array(sizes) * n),
            [result.gene_id for result in results],
        ),
        "individual": _dictionary(np.tile(np.arange(n, dtype=np.int32), sum(sizes)), individuals),
        "replicate": pa.array(np.repeat(np.concatenate([np.arange(size, dtype=np.int16) for size in sizes]), n)),
        "fold": pa.array(fold.ravel(), mask=no_fold.ravel()),
        "prediction": _numbers(prediction),
        "training_mean": _numbers(training_mean),
        "reason": _dictionary(reason.ravel(), list(texts)),
    }
    meta = {
        "format": FORMAT,
        "genes": [*part.keys.items()],
        "replicates": sizes,
        "used": [[describe(used) for used in result.used] for result in results],
    }
    table = pa.table({name: columns[name] for name in COLUMNS})
    return table.replace_schema_metadata({_META: json.dumps(meta, separators=(",", ":")).encode()})


def _or_fill(
    values: npt.NDArray[np.generic] | None, fill: float, result: GeneResult, dtype: npt.DTypeLike
) -> npt.NDArray[np.generic]:
    return np.full(result.prediction.shape, fill, dtype=dtype) if values is None else values


def _numbers(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values.ravel(), mask=np.isnan(values).ravel())


def _dictionary(codes: npt.NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), type=pa.string()))


def _results(table: pa.Table, meta: Mapping[str, Any]) -> Iterator[GeneResult]:
    columns = {name: table.column(name).combine_chunks() for name in COLUMNS if name not in ("gene_id", "individual")}
    sizes = np.array(meta["replicates"], dtype=np.int64)
    n = table.num_rows // int(sizes.sum())
    prediction = columns["prediction"].to_numpy(zero_copy_only=False).reshape(-1, n)
    training_mean = columns["training_mean"].to_numpy(zero_copy_only=False).reshape(-1, n)
    no_fold = columns["fold"].is_null().to_numpy(zero_copy_only=False).reshape(-1, n)
    fold = columns["fold"].fill_null(0).to_numpy(zero_copy_only=False).reshape(-1, n)
    codes = columns["reason"].indices.fill_null(-1).to_numpy(zero_copy_only=False).reshape(-1, n)
    texts = columns["reason"].dictionary.to_pylist()
    predictor = str(columns["predictor"].dictionary[0])
    start = 0
    for (gene_id, _), used, size in zip(meta["genes"], meta["used"], sizes.tolist(), strict=True):
        rows = slice(start, start + size)
        trained = not no_fold[rows].any()
        reasons = []
        for given in codes[rows]:
            silent = np.flatnonzero(given >= 0)
            reasons.append(dict(zip(silent.tolist(), (texts[code] for code in given[silent].tolist()), strict=True)))
        yield GeneResult(
            predictor=predictor,
            gene_id=gene_id,
            prediction=np.array(prediction[rows]),
            fold=np.array(fold[rows], dtype=np.int16) if trained else None,
            training_mean=np.array(training_mean[rows]) if trained else None,
            reasons=tuple(reasons),
            used=tuple(used),
        )
        start += size
