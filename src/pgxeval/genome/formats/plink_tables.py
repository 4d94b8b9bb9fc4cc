"""The files of a PLINK 2 set: individuals (``.psam``), variants (``.pvar``), and the header of the ``.pgen``."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TextIO, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.genome.formats.decoding import unique_individuals

_PVAR_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "FILTER")
_PVAR_WITHOUT_HEADER: dict[int, tuple[str, ...]] = {
    5: ("#CHROM", "ID", "POS", "ALT", "REF"),
    6: ("#CHROM", "ID", "CM", "POS", "ALT", "REF"),
}
_PSAM_WITHOUT_HEADER = ("FID", "IID", "PAT", "MAT", "SEX")
_DOSAGE_BITS = 0x60
_BLOCK_VARIANTS = 1 << 16


def declared_counts(path: str) -> tuple[int, int]:
    """Return the numbers of variants and individuals that the header of a ``.pgen`` declares."""
    with Path(path).open("rb") as file:
        header = file.read(11)
    if len(header) < 11 or header[:2] != b"\x6c\x1b" or header[2] < 2:
        raise InputFileError(f"{path}: not a PLINK 2 .pgen file, or cut short; make it with `plink2 --make-pgen`")
    return int.from_bytes(header[3:7], "little"), int.from_bytes(header[7:11], "little")


def have_dosages(path: Path, n_variants: int) -> npt.NDArray[np.bool_]:
    """Return which variants of a ``.pgen`` have dosages: bool ``(n_variants,)``.

    The layout is that of the specification
    (https://github.com/chrchang/plink-ng/tree/master/pgen_spec): a type per variant, in blocks of 65,536.
    """
    with path.open("rb") as file:
        header = file.read(12)
        if len(header) < 12:
            return np.zeros(n_variants, np.bool_)
        mode, flags = header[2], header[11]
        if mode != 0x10:  # fixed width; 0x03 and 0x04 are dosages, and 0x11 has its index in another file
            return np.full(n_variants, mode in (0x03, 0x04), np.bool_)
        if flags & 15 < 4:  # types of four bits have no bit for dosages
            return np.zeros(n_variants, np.bool_)
        length_bytes, count_bytes = (flags & 3) + 1, flags >> 4 & 3
        file.seek(12 + 8 * -(-n_variants // _BLOCK_VARIANTS))
        kinds = []
        for begin in range(0, n_variants, _BLOCK_VARIANTS):
            n = min(_BLOCK_VARIANTS, n_variants - begin)
            part = np.frombuffer(file.read(n), np.uint8)
            if part.size < n:
                raise InputFileError(f"{path}: cannot be read: it is cut off within its header")
            kinds.append(part)
            file.seek(n * (length_bytes + count_bytes) + (-(-n // 8) if flags >> 6 == 3 else 0), os.SEEK_CUR)
    has_dosages: npt.NDArray[np.bool_] = (np.concatenate([np.empty(0, np.uint8), *kinds]) & _DOSAGE_BITS) != 0
    return has_dosages


def psam_path(stem: str) -> Path:
    """Return the file of individuals next to a ``.pgen``."""
    path = Path(stem + ".psam")
    if not path.is_file():
        raise InputFileNotFoundError.of("file", path, f"it names the individuals of {stem}.pgen")
    return path


def pvar_path(stem: str) -> Path:
    """Return the file of variants next to a ``.pgen``."""
    path = next((Path(stem + end) for end in (".pvar", ".pvar.zst") if Path(stem + end).is_file()), None)
    if path is None:
        raise InputFileNotFoundError.of("file", f"{stem}.pvar", f"it names the variants of {stem}.pgen")
    return path


def read_psam(path: Path) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Read the individuals and who is male; without a header, columns are those of a ``.fam``, as in PLINK 2."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path}: cannot be read as text: {error}") from error
    rows = [line.split() for line in lines if line.strip() and not line.startswith("##")]
    if not rows:
        raise InputFileError(f"{path}: no individual in this file")
    header: tuple[str, ...] = _PSAM_WITHOUT_HEADER
    if rows[0][0].startswith("#"):
        header = (rows[0][0][1:], *rows[0][1:])
        if header[0] not in ("IID", "FID") or "IID" not in header:
            raise InputFileError(f"{path}: its header line begins with {rows[0][0][:40]}; expected #IID or #FID IID")
        rows = rows[1:]
    elif len(rows[0]) > len(header):
        header = (*header, *(f"PHENO{k}" for k in range(1, len(rows[0]) - len(header) + 1)))
    wrong = next((number for number, row in enumerate(rows, start=1) if len(row) != len(header)), None)
    if wrong is not None:
        how = "" if lines[0].startswith("#") else ": no header line begins with #IID or #FID"
        raise InputFileError(
            f"{path}: individual {wrong} has {len(rows[wrong - 1])} columns; expected {len(header)} "
            f"({' '.join(header[:8])}){how}"
        )
    names = unique_individuals(str(path), [row[header.index("IID")] for row in rows])
    column = header.index("SEX") if "SEX" in header else None
    male = [column is not None and row[column] in ("1", "M", "m") for row in rows]
    return names, np.array(male, dtype=np.bool_)


def read_pvar(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read CHROM, POS (int64), ID, REF, ALT and FILTER (``.`` where there is none), and the ``##`` lines."""
    declarations: list[str] = []
    first = ""
    try:
        with _open_text(path) as lines:
            for line in lines:
                first = line.rstrip("\r\n")
                if not first.startswith("##"):
                    break
                declarations.append(first)
        with _open_text(path) as lines:
            table = _variant_table(path, first, lines, len(declarations))
        table["POS"] = table["POS"].astype(np.int64)
    except InputFileError:
        raise
    except (ValueError, OverflowError, OSError, RuntimeError) as error:
        how = "" if first.startswith("#") else " (it has no header line, so that its columns should be those of a .bim)"
        raise InputFileError(f"{path}: cannot be read{how}: {str(error)[:200]}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "zstandard":
            raise
        raise InputFileError(f"{path}: cannot be read: {error}") from error
    if table.isna().to_numpy().any():
        raise InputFileError(f"{path}: cannot be read: a line has fewer columns than the first")
    if (table["POS"] < 0).any() or (table["POS"] > np.iinfo(np.int32).max).any():
        raise InputFileError(f"{path}: a position is not a whole number from 0 to 2,147,483,647")
    if (table[["REF", "ALT"]] == "").to_numpy().any():
        raise InputFileError(f"{path}: REF or ALT is empty")
    if "FILTER" not in table:
        table["FILTER"] = "."
    return table, declarations


def _variant_table(path: Path, first: str, lines: TextIO, n_declarations: int) -> pd.DataFrame:
    """Read the columns that are needed, by a header line or, without one, in the order of a ``.bim``, as PLINK 2 does.

    `first` is the first line after the declarations.
    """
    header = tuple(first.split())
    if not header:
        raise InputFileError(f"{path}: no variant in this file")
    has_header = header[0] == "#CHROM"
    if has_header and any(name not in header for name in _PVAR_COLUMNS[1:5]):
        raise InputFileError(f"{path}: its header line lacks one of #CHROM POS ID REF ALT")
    if not has_header and (header[0].startswith("#") or len(header) not in _PVAR_WITHOUT_HEADER):
        raise InputFileError(f"{path}: no header line #CHROM POS ID REF ALT, and not the 5 or 6 columns of a .bim")
    names = header if has_header else _PVAR_WITHOUT_HEADER[len(header)]
    table: pd.DataFrame = pd.read_csv(
        lines,
        sep="\t" if "\t" in first else r"\s+",
        skiprows=n_declarations + has_header,
        names=list(names),
        usecols=[name for name in names if name in _PVAR_COLUMNS],
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        quoting=csv.QUOTE_NONE,
    )
    return table


def _open_text(path: Path) -> TextIO:
    if path.suffix != ".zst":
        return path.open(encoding="utf-8")
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]  # optional, and without types
    except ImportError as error:
        raise InputFileError(
            f"{path}: reading it needs zstandard; run `pip install zstandard`, or `plink2 --make-just-pvar`"
        ) from error
    return cast("TextIO", zstandard.open(path, "rt", encoding="utf-8"))
