"""Joins predictions of different genes, predictors or tissues: their tables, settings, and whether they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.names import known_names
from pgxeval.tables.checking import keys_of
from pgxeval.tables.files import TISSUE

_SAME_IN_ALL = ("seed", "folds", "replicates", "cross_fitting", "covariates", "individuals", "versions", "asked")


class Joinable(Protocol):
    """What is joined: the parts of `pgxeval.Predictions`."""

    @property
    def table(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]: ...  # noqa: D102
    @property
    def predictors(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def tissues(self) -> tuple[str, ...]: ...  # noqa: D102


def join_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables in the order of a single run: predictor, tissue, replicate, gene, individual."""
    names = keys_of(tables[0])
    joined = {
        name: pd.Categorical.from_codes(*_joined_codes([table[name] for table in tables]))
        for name in (*names, "reason")
    }
    table = pd.concat([table.drop(columns=list(joined)) for table in tables], ignore_index=True).assign(**joined)
    codes = {name: joined[name].codes for name in names}
    tissues = [codes[TISSUE]] if TISSUE in codes else []
    replicate = table["replicate"].to_numpy()
    order = np.lexsort([codes["individual"], codes["gene_id"], replicate, *tissues, codes["predictor"]])
    table = table.iloc[order].reset_index(drop=True)
    reason = pd.Categorical.from_codes(*_joined_codes([table["reason"]]))
    return table.assign(reason=reason)


def _joined_codes(columns: Sequence[pd.Series]) -> tuple[npt.NDArray[np.int64], pd.Index]:
    """Return codes and categories of joined columns, categories in the order of their first row."""
    code_of: dict[str, int] = {}
    joined = []
    for column in columns:
        codes = column.cat.codes.to_numpy()
        present, first = np.unique(codes[codes >= 0], return_index=True)
        translation = np.full(len(column.cat.categories) + 1, -1, dtype=np.int64)  # the last one is for missing
        for code in present[np.argsort(first)]:
            translation[code] = code_of.setdefault(str(column.cat.categories[code]), len(code_of))
        joined.append(translation[codes])
    return np.concatenate(joined), pd.Index([*code_of], dtype="str")


def check_joinable(parts: Sequence[Joinable]) -> None:
    """Refuse parts of the same predictor that were not made in the same way."""
    with_tissue = [bool(part.tissues) for part in parts]
    if any(with_tissue) and not all(with_tissue):
        number = with_tissue.index(False)
        raise SettingError(
            f"part {number} (counted from 0) has no column tissue and others have one; give it one: "
            "predictions.with_tissue(name)"
        )
    first: dict[tuple[str, str], tuple[int, Joinable]] = {}
    for number, part in enumerate(parts):
        for predictor, tissue in _pairs(part):
            if (predictor, tissue) not in first:
                first[predictor, tissue] = number, part
                continue
            other_number, other = first[predictor, tissue]
            ours, theirs = _shape(part, predictor, tissue), _shape(other, predictor, tissue)
            differing = [
                f"{name} is {_short(theirs[name])} in part {other_number} and {_short(ours[name])} in part {number}"
                for name in theirs
                if name in ours and ours[name] != theirs[name]
            ]
            if differing:
                where = f" in {tissue}" if tissue else ""
                raise SettingError(
                    f"predictions of {predictor}{where} cannot be joined (parts are counted from 0): "
                    f"{'; '.join(differing)}. Run all slices with the same arguments, replicates= included"
                )


def _pairs(part: Joinable) -> list[tuple[str, str]]:
    """Return predictor and tissue of each kind of row, the tissue empty without that column."""
    if not part.tissues:
        return [(name, "") for name in part.predictors]
    pairs = part.table[["predictor", TISSUE]].drop_duplicates()
    return [(str(predictor), str(tissue)) for predictor, tissue in pairs.itertuples(index=False)]


def _short(value: Any) -> str:
    return f"{len(value)} names ({known_names(value, 3)})" if isinstance(value, tuple) else repr(value)


def _shape(part: Joinable, predictor: str, tissue: str) -> dict[str, Any]:
    rows = part.table[part.table["predictor"] == predictor]
    settings = part.settings.get(predictor, {})
    if tissue:
        rows = rows[rows[TISSUE] == tissue]
        settings = settings.get("tissues", {}).get(tissue, {})
    individuals = tuple(sorted(str(name) for name in rows["individual"].unique()))
    return {
        "the list of replicates": sorted(int(number) for number in rows["replicate"].unique()),
        "the set of individuals": individuals,
        **{name: settings[name] for name in _SAME_IN_ALL if name in settings and name != "individuals"},
    }


def join_settings(parts: Sequence[Joinable]) -> dict[str, dict[str, Any]]:
    """Return the settings of joined parts, predictor by predictor."""
    joined: dict[str, dict[str, Any]] = {}
    for part in parts:
        for predictor, settings in part.settings.items():
            if predictor not in joined:
                joined[predictor] = _copied(settings)
            elif isinstance(by_tissue := settings.get("tissues"), Mapping):
                tissues = joined[predictor].setdefault("tissues", {})
                for tissue, one in by_tissue.items():
                    if tissue in tissues:
                        _add_settings(tissues[tissue], one)
                    else:
                        tissues[tissue] = dict(one)
            else:
                _add_settings(joined[predictor], settings)
    return joined


def _copied(settings: Mapping[str, Any]) -> dict[str, Any]:
    copied = dict(settings)
    if isinstance(by_tissue := settings.get("tissues"), Mapping):
        copied["tissues"] = {tissue: dict(one) for tissue, one in by_tissue.items()}
    return copied


def _add_settings(so_far: dict[str, Any], settings: Mapping[str, Any]) -> None:
    if "genes" in so_far and "genes" in settings:
        so_far["genes"] += settings["genes"]
    if "used" in so_far and "used" in settings:
        so_far["used"] = {
            name: _joined_used(so_far["used"].get(name), settings["used"].get(name))
            for name in dict.fromkeys([*so_far["used"], *settings["used"]])
        }


def _joined_used(one: Any, other: Any) -> Any:
    """Join two summaries; a median of both cannot be known, so the medians are listed."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    ranges = [_as_range(value) for value in (one, other)]
    if None in ranges:
        listed = one if isinstance(one, list) else [one]
        return [*listed, other]
    return {
        "min": min(span["min"] for span in ranges if span is not None),
        "medians": [median for span in ranges if span is not None for median in span["medians"]],
        "max": max(span["max"] for span in ranges if span is not None),
    }


def _as_range(value: Any) -> dict[str, Any] | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"min": value, "medians": [value], "max": value}
    if isinstance(value, Mapping) and {"min", "max"} <= set(value):
        return {"min": value["min"], "medians": value.get("medians", [value.get("median")]), "max": value["max"]}
    return None
