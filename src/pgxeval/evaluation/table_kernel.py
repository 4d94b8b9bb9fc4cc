"""Compiled passes over stretches of a long table: what its rows hold, and their numbers laid out as matrices."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@compiled
def look(
    predictor: Codes,
    gene: Codes,
    individual: Codes,
    replicate: Codes,
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
    for row in range(len(predictor)):
        code = predictor[row]
        here[code] = True
        genes[code, gene[row]] = True
        individuals[code, individual[row]] = True
        replicates[code, replicate[row]] = True
        if math.isnan(prediction[row]):
            if replicate[row] == 0:
                silent[code] = True
        elif not no_fold[row]:
            folded[code] = True


@compiled
def lay_out(
    wanted: int,
    predictor: Codes,
    gene: Codes,
    individual: Codes,
    replicate: Codes,
    prediction: Floats,
    place_of_gene: Ints,
    place_of_individual: Ints,
    place_of_replicate: Ints,
    values: Floats,
    scale: Floats,
) -> None:
    """Write the predictions of one predictor to (replicate, gene, individual), and the largest magnitude of each row.

    Rows without a place, which is negative, are skipped.
    """
    for row in range(len(predictor)):
        if predictor[row] != wanted:
            continue
        g, i, k = place_of_gene[gene[row]], place_of_individual[individual[row]], place_of_replicate[replicate[row]]
        if g >= 0 and i >= 0 and k >= 0:
            values[k, g, i] = prediction[row]
            if not math.isnan(prediction[row]):
                scale[k, g] = max(scale[k, g], abs(prediction[row]))


@compiled
def lay_out_folds(
    wanted: int,
    predictor: Codes,
    gene: Codes,
    individual: Codes,
    replicate: Codes,
    training_mean: Floats,
    fold: npt.NDArray[np.int16],
    place_of_gene: Ints,
    place_of_individual: Ints,
    place_of_replicate: Ints,
    values: Floats,
    folds: npt.NDArray[np.int16],
) -> None:
    """Subtract the mean of the training individuals from the values that `lay_out` wrote, and write the folds."""
    for row in range(len(predictor)):
        if predictor[row] != wanted:
            continue
        g, i, k = place_of_gene[gene[row]], place_of_individual[individual[row]], place_of_replicate[replicate[row]]
        if g >= 0 and i >= 0 and k >= 0:
            values[k, g, i] -= training_mean[row]
            folds[k, g, i] = fold[row]


@compiled
def read_folds(
    wanted: int,
    predictor: Codes,
    individual: Codes,
    replicate: Codes,
    fold: npt.NDArray[np.int16],
    place_of_individual: Ints,
    none: int,
    folds: npt.NDArray[np.int16],
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
