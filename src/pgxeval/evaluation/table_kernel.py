"""Compiled passes over stretches of a long table: what its rows hold, and their numbers laid out as matrices."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint32]
Shorts = npt.NDArray[np.int16]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@compiled
def look(
    predictor: Codes,
    gene: Codes,
    individual: Codes,
    replicate: Shorts,
    prediction: Floats,
    no_fold: Bools,
    genes: Bools,
    individuals: Bools,
    replicates: Bools,
    folded: Bools,
    silent: Bools,
    here: Bools,
) -> None:
    """Mark what the rows of a stretch hold, in one row per predictor.

    A predictor is `folded` if a prediction that is not missing has a fold, and `silent` if an observed one is missing.
    """
    last_code = last_gene = last_replicate = np.int64(-1)
    for row in range(len(predictor)):
        code, g, k = np.int64(predictor[row]), np.int64(gene[row]), np.int64(replicate[row])
        if g != last_gene or code != last_code or k != last_replicate:
            last_code, last_gene, last_replicate = code, g, k
            here[code] = True
            genes[code, g] = True
            replicates[code, k] = True
        individuals[code, individual[row]] = True
        if math.isnan(prediction[row]):
            if k == 0:
                silent[code] = True
        elif not no_fold[row]:
            folded[code] = True


@compiled
def lay_out(
    wanted: int,
    predictor: Codes,
    gene: Codes,
    individual: Codes,
    replicate: Shorts,
    prediction: Floats,
    training_mean: Floats,
    fold: Shorts,
    place_of_gene: Ints,
    place_of_individual: Ints,
    place_of_replicate: Ints,
    values: Floats,
    scale: Floats,
    folds: Shorts,
) -> None:
    """Write the predictions of one predictor to (replicate, gene, individual), and the largest magnitude of each row.

    If `fold` is not empty, the mean of the training individuals is subtracted and the folds are written as well.
    Rows without a place, which is negative, are skipped.
    """
    folded = len(fold) > 0
    last_code = last_gene = last_replicate = np.int64(-1)
    k, g, largest = -1, -1, 0.0
    for row in range(len(predictor)):
        code, own, run = np.int64(predictor[row]), np.int64(gene[row]), np.int64(replicate[row])
        if own != last_gene or code != last_code or run != last_replicate:
            last_code, last_gene, last_replicate = code, own, run
            if k >= 0 and g >= 0:
                scale[k, g] = max(scale[k, g], largest)
            k, g, largest = -1, -1, 0.0
            if code == wanted:
                k, g = place_of_replicate[run], place_of_gene[own]
        if k < 0 or g < 0:
            continue
        i = place_of_individual[individual[row]]
        if i < 0:
            continue
        value = prediction[row]
        size = abs(value)
        if size > largest:  # noqa: PLR1730 (a missing value is not the largest one)
            largest = size
        if folded:
            values[k, g, i] = value - training_mean[row]
            folds[k, g, i] = fold[row]
        else:
            values[k, g, i] = value
    if k >= 0 and g >= 0:
        scale[k, g] = max(scale[k, g], largest)


@compiled
def read_folds(
    wanted: int,
    predictor: Codes,
    individual: Codes,
    replicate: Shorts,
    fold: Shorts,
    place_of_individual: Ints,
    none: int,
    folds: Shorts,
) -> bool:
    """Write the fold of each individual in the observed predictions; False where two rows disagree."""
    for row in range(len(predictor)):
        if predictor[row] != wanted or replicate[row] != 0 or fold[row] == none:
            continue
        i = place_of_individual[individual[row]]
        if i < 0:
            continue
        if folds[i] == none:
            folds[i] = fold[row]
        elif folds[i] != fold[row]:
            return False
    return True
