"""What all figures share: sentences without data, names, colours."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY
from pgxeval.plots.drawing import PALETTE

NAN = float("nan")


def _per_gene(genes: int, predictors: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    tables = []
    for k in range(predictors):
        r = random.normal(0.1, 0.2, genes).clip(-1, 1)
        r[random.random(genes) < 0.1] = NAN
        tables.append(
            pd.DataFrame({"predictor": f"model_{k}", "gene_id": [f"G{g}" for g in range(genes)], "correlation": r})
        )
    table = pd.concat(tables, ignore_index=True)
    direction = np.sign(table["correlation"])
    table["direction"] = pd.array(np.where(direction.isna(), 0, direction), dtype="Int8")
    table.loc[direction.isna() | (direction == 0), "direction"] = pd.NA
    table["gene_name"] = table["gene_id"]
    return table


def _evaluation(
    per_gene: pd.DataFrame | None = None,
    summary: pd.DataFrame | None = None,
    concordance: pd.DataFrame | None = None,
    strata: pd.DataFrame | None = None,
) -> Evaluation:
    """Return an evaluation of these tables; a summary that is not given has a row without shares per predictor."""
    if per_gene is None:
        per_gene = _per_gene(5, 1)
    if "direction" not in per_gene:
        per_gene = per_gene.assign(direction=np.sign(per_gene["correlation"]).replace(0, np.nan).astype("Int8"))
    if summary is None:
        names = per_gene["predictor"].drop_duplicates()
        summary = pd.DataFrame({"predictor": names, "stratum": "all"}, columns=list(SUMMARY))
    return Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=concordance if concordance is not None else pd.DataFrame(columns=list(CONCORDANCE)),
        comparison=pd.DataFrame(),
        strata=strata if strata is not None else pd.DataFrame({"gene_id": [], "stratum": []}, dtype="str"),
        exclusions=pd.DataFrame(),
        settings={},
    )


class OneGene(Evaluation):
    """An evaluation whose individuals are made up."""

    def observed_predicted(self, gene_id: str, predictor: str) -> pd.DataFrame:
        assert predictor == "model"
        return self.strata


def _one_gene(individuals: pd.DataFrame, gene_id: str = "G1", name: str | None = None) -> Evaluation:
    table = pd.DataFrame({"predictor": ["model"], "gene_id": gene_id, "gene_name": name or gene_id, "correlation": 0.1})
    made = _evaluation(table, strata=individuals)
    return OneGene(**{field.name: getattr(made, field.name) for field in attrs.fields(Evaluation)})


def _signs(summary: pd.DataFrame) -> Axes:
    return plots.sign_concordance(_evaluation(summary=summary))


def _strata(summary: pd.DataFrame) -> Axes:
    return plots.strata_comparison(_evaluation(summary=summary))


def _odds(concordance: pd.DataFrame, **options: Any) -> Axes:
    return plots.odds_ratios(_evaluation(concordance=concordance), **options)


def _scatter(table: pd.DataFrame, a: str, b: str, strata: pd.DataFrame | None = None) -> Axes:
    return plots.scatter_predictors(_evaluation(table, strata=strata), a, b)


def _distribution(table: pd.DataFrame, summary: pd.DataFrame | None = None, **options: Any) -> Axes:
    return plots.correlation_distribution(_evaluation(table, summary), **options)


def _summary(predictors: int) -> pd.DataFrame:
    rows = [
        {
            "predictor": f"model_{k}",
            "stratum": stratum,
            "naive": stratum != "all" and k < 2,
            "assignment": "all genes" if stratum == "all" else "naive" if k < 2 else "same individuals",
            "n_genes": 40,
            "mean_correlation": 0.1 * (k + 1),
            "mean_low": 0.1 * k,
            "mean_high": 0.1 * (k + 2),
            "share_right": 0.5 + 0.05 * k,
            "share_low": 0.4 + 0.05 * k,
            "share_high": 0.6 + 0.05 * k,
            "reference_share": 0.45,
        }
        for stratum in ("all", "unpredictable", "linear", "nonlinear")
        for k in range(predictors)
    ]
    return pd.DataFrame(rows)


def _concordance(*odds: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "predictor_a": [f"a{k}" for k in range(len(odds))],
            "predictor_b": "b",
            "stratum": "all",
            "mcnemar_or": [one[0] for one in odds],
            "mcnemar_or_low": [one[1] for one in odds],
            "mcnemar_or_high": [one[2] for one in odds],
            "reference_mcnemar_or": 0.8,
        },
        columns=list(CONCORDANCE),
    )


def _individuals(n: int = 50) -> pd.DataFrame:
    random = np.random.default_rng(1)
    predicted = random.normal(size=n)
    return pd.DataFrame({"predicted": predicted, "observed": 0.5 * predicted + random.normal(size=n)})


def _words(ax: Axes) -> str:
    return "\n".join([ax.get_title(), ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def _render(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


EMPTY: dict[str, Callable[[], Axes]] = {
    "scatter": lambda: _scatter(_per_gene(9, 2).assign(correlation=NAN), "model_0", "model_1"),
    "distribution": lambda: _distribution(_per_gene(9, 2).assign(correlation=NAN)),
    "distribution of nothing": lambda: _distribution(_per_gene(9, 2)[:0]),
    "strata": lambda: _strata(_summary(2).assign(mean_correlation=NAN)),
    "no strata": lambda: _strata(_summary(2)[:2]),
    "no individuals": lambda: plots.observed_predicted(_one_gene(_individuals(0)), "G1", "model"),
    "signs": lambda: _signs(_summary(2).assign(share_right=NAN)),
    "signs of nothing": lambda: _signs(_summary(2)[:0]),
    "odds": lambda: _odds(_concordance()),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_figure_without_data_has_a_sentence(name: str) -> None:
    ax = EMPTY[name]()
    assert not ax.axison
    assert len(_words(ax).strip()) > 20
    _render(ax)


def test_names_are_never_read_as_mathematics() -> None:
    table = _per_gene(20, 2).replace(
        {"predictor": {"model_0": "$\\frac$", "model_1": "a_model_with_a_very_long$name$indeed"}}
    )
    names = table["predictor"].unique()
    _render(_scatter(table, *names))
    ax = _distribution(table)
    _render(ax)
    assert ax.get_yticklabels()[1].get_text().startswith("a_model_with_a_very_lon…")


# Machado, Oliveira and Fernandes 2009, severity 1: what protan-, deuter- and tritanopes see of linear RGB.
_SEEN = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", _SEEN)
def test_colours_differ_for_the_colour_blind(kind: str) -> None:
    rgb = np.array([[int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)] for color in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(_SEEN[kind]).T, 0, 1)
    xyz = seen @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    lab = np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    # a difference of 2.3 is just noticeable
    assert distance[np.triu_indices(len(PALETTE), 1)].min() > 9
