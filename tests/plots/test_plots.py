"""Figures: what is drawn is what the tables hold, counted here in the slow and obvious way."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import attrs
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from pgxeval import plots
from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.concordance import PairedTable
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY
from pgxeval.plots.drawing import PALETTE

NAN = float("nan")
INF = float("inf")


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


FIGURES: dict[str, Callable[..., Axes]] = {
    "scatter": lambda ax=None: plots.scatter_predictors(_evaluation(_per_gene(60, 2)), "model_0", "model_1", ax=ax),
    "distribution": lambda ax=None: plots.correlation_distribution(_evaluation(_per_gene(60, 3), _summary(3)), ax=ax),
    "strata": lambda ax=None: plots.strata_comparison(_evaluation(summary=_summary(3)), ax=ax),
    "observed": lambda ax=None: plots.observed_predicted(_one_gene(_individuals()), "G1", "model", ax=ax),
    "signs": lambda ax=None: plots.sign_concordance(_evaluation(summary=_summary(3)), ax=ax),
    "odds": lambda ax=None: plots.odds_ratios(
        _evaluation(concordance=_concordance((2.0, 0.5, 8.0), (INF, 1.5, INF))), ax=ax
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_an_axes_shows_itself_in_a_notebook(name: str) -> None:
    ax = FIGURES[name]()
    assert isinstance(ax, Axes)
    assert ax._repr_png_().startswith(b"\x89PNG")
    given = Figure().add_subplot()
    assert FIGURES[name](ax=given) is given
    assert not hasattr(given, "_repr_png_")


@pytest.mark.parametrize("name", FIGURES)
def test_axes_pickle(name: str) -> None:
    again = pickle.loads(pickle.dumps(FIGURES[name]()))
    assert again._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", FIGURES)
def test_global_settings_stay_as_they_were(name: str) -> None:
    before = dict(mpl.rcParams)
    _render(FIGURES[name]())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_draws_on_the_axes_that_it_is_given(name: str) -> None:
    left, right = Figure(figsize=(9, 4)).subplots(1, 2)
    assert FIGURES[name](ax=right) is right
    assert not left.has_data()
    assert right.has_data()
    assert right.get_xlabel()


@pytest.mark.parametrize("name", FIGURES)
def test_axes_say_what_they_hold(name: str) -> None:
    ax = FIGURES[name]()
    assert ax.get_xlabel() or all(label.get_text() for label in ax.get_xticklabels())
    assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())


def test_never_loads_pyplot_and_matplotlib_only_when_drawing() -> None:
    code = (
        "import sys, pandas as pd\n"
        "from pgxeval import plots\n"
        "from pgxeval.evaluation.evaluation import Evaluation\n"
        "assert 'matplotlib' not in sys.modules\n"
        "t = pd.DataFrame({'predictor': ['a', 'b'], 'gene_id': 'G', 'correlation': [.1, .2], 'direction': 1})\n"
        "s = pd.DataFrame({'predictor': ['a', 'b'], 'stratum': 'all', 'share_right': .5, 'reference_share': .5})\n"
        "none = pd.DataFrame({'gene_id': [], 'stratum': []}, dtype='str')\n"
        "e = Evaluation(per_gene=t, summary=s, concordance=none, comparison=none, strata=none, exclusions=none,\n"
        "               settings={})\n"
        "ax = plots.scatter_predictors(e, 'a', 'b')\n"
        "plots.correlation_distribution(e).figure.savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TestScatter:
    def test_counts_quadrants_as_a_plain_loop_and_the_concordance_table_do(self) -> None:
        table = _per_gene(200, 2)
        table.loc[[3, 7], "correlation"] = 0.0
        table.loc[[3, 7], "direction"] = pd.NA
        wide = table.pivot_table(index="gene_id", columns="predictor", values="correlation", dropna=False)
        counts = {"both right": 0, "only x right": 0, "only y right": 0, "neither right": 0}
        for x, y in wide.to_numpy():
            if x > 0 and y > 0:
                counts["both right"] += 1
            elif x > 0 and y < 0:
                counts["only x right"] += 1
            elif x < 0 and y > 0:
                counts["only y right"] += 1
            elif x < 0 and y < 0:
                counts["neither right"] += 1
        paired = PairedTable.of(wide["model_0"], wide["model_1"])
        assert tuple(counts.values()) == (paired.both_right, paired.only_a, paired.only_b, paired.neither)
        words = _words(_scatter(table, "model_0", "model_1"))
        for label, count in counts.items():
            assert f"{label}: {count}" in words

    def test_counts_undefined_genes_and_draws_none_of_them(self) -> None:
        table = pd.DataFrame(
            {
                "predictor": ["a"] * 5 + ["b"] * 4,
                "gene_id": ["1", "2", "3", "4", "5", "1", "2", "3", "4"],
                "correlation": [0.1, NAN, 0.3, NAN, 0.2, 0.5, 0.6, NAN, NAN],
            }
        )
        ax = _scatter(table, "a", "b")
        assert ax.collections[0].get_offsets().tolist() == [[0.1, 0.5]]
        # gene 5 was never predicted by b: undefined there
        assert "undefined, not drawn: 1 for x only, 2 for y only, 1 for both" in _words(ax)
        assert "1 gene defined under both" in _words(ax)

    def test_many_genes_become_a_density_that_still_holds_every_gene(self) -> None:
        table = _per_gene(20_000, 2)
        ax = _scatter(table, "model_0", "model_1")
        wide = table.pivot_table(index="gene_id", columns="predictor", values="correlation", dropna=False)
        assert ax.collections[0].get_array().sum() == len(wide.dropna())
        assert len(_render(ax)) < 400_000

    def test_marks_nonlinear_genes(self) -> None:
        table = _per_gene(30, 2).dropna()
        strata = pd.DataFrame({"gene_id": ["G1", "G2"], "stratum": ["nonlinear", "linear"]})
        both = set(table.loc[table["predictor"] == "model_0", "gene_id"]) & set(
            table.loc[table["predictor"] == "model_1", "gene_id"]
        )
        assert "G1" in both
        ax = _scatter(table, "model_0", "model_1", strata)
        assert [len(c.get_offsets()) for c in ax.collections] == [len(both) - 1, 1]
        r = table.set_index(["predictor", "gene_id"])["correlation"]
        assert ax.collections[1].get_offsets()[0].tolist() == [r["model_0", "G1"], r["model_1", "G1"]]

    def test_unknown_predictor_lists_the_known(self) -> None:
        with pytest.raises(UnknownNameError, match=r"model_9 .* model_0, model_1"):
            _scatter(_per_gene(5, 2), "model_0", "model_9")


class TestDistribution:
    def test_histograms_hold_every_defined_gene(self) -> None:
        table = _per_gene(500, 2)
        ax = _distribution(table, bins=40)
        filled = [patch for patch in ax.patches if patch.get_fill()]
        assert len(filled) == 2
        for row, (name, patch) in enumerate(zip(["model_0", "model_1"], filled, strict=True)):
            heights, edges, _ = patch.get_data()
            r = table.loc[table["predictor"] == name, "correlation"].dropna()
            counts = np.histogram(r, edges)[0]
            assert counts.sum() == len(r)
            np.testing.assert_allclose(heights + row, 0.78 * counts / counts.max())

    def test_says_median_share_and_permuted_share(self) -> None:
        table = _per_gene(101, 2)
        r = table.loc[table["predictor"] == "model_0", "correlation"].dropna()
        words = _words(_distribution(table, _summary(2)))
        assert f"median {np.median(r):.3f}\n50.0 % right\npermuted: 45.0 %" in words
        alone = _words(_distribution(table, _summary(2).assign(reference_share=NAN)))
        assert "50.0 % right\npermuted: not known" in alone

    @pytest.mark.parametrize("predictors", range(1, 7))
    def test_draws_one_to_six_predictors(self, predictors: int) -> None:
        table = _per_gene(20_000, predictors)
        ax = _distribution(table)
        assert len(ax.get_yticks()) == predictors
        assert len(_render(ax)) < 200_000

    def test_counts_undefined_genes_in_the_label(self) -> None:
        table = pd.DataFrame(
            {"predictor": ["a"] * 3 + ["b"] * 3, "gene_id": [*"123"] * 2, "correlation": [0.1, NAN, 0.2] + [NAN] * 3}
        )
        labels = [label.get_text() for label in _distribution(table).get_yticklabels()]
        assert labels == ["a\n2 genes, 1 undefined", "b\n0 genes, 3 undefined"]


class TestStrata:
    def test_points_are_the_means_and_naive_ones_are_hollow(self) -> None:
        summary = _summary(3)
        ax = _strata(summary)
        points = [line for line in ax.lines if line.get_marker() not in (None, "None", "")]
        rows = summary[summary["stratum"] != "all"]
        assert [line.get_ydata()[0] for line in points] == rows["mean_correlation"].tolist()
        hollow = [line.get_markerfacecolor() == "white" for line in points]
        assert hollow == rows["naive"].tolist()
        assert len([patch for patch in ax.patches if patch.get_hatch()]) == rows["naive"].sum()
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == ["model_0", "model_1", "model_2", "hollow, hatched: naive"]
        assert ax.get_xlabel() == "stratum of genes, defined on the same individuals"
        assert _strata(summary.assign(naive=False, assignment="independent")).get_xlabel() == "stratum of genes"

    def test_usual_strata_stand_in_their_order_with_their_counts(self) -> None:
        labels = [label.get_text() for label in _strata(_summary(1)).get_xticklabels()]
        assert labels == ["linear\n40 genes", "nonlinear\n40 genes", "unpredictable\n40 genes"]

    def test_points_stand_above_their_own_stratum(self) -> None:
        ax = _strata(_summary(2))
        points = [line for line in ax.lines if line.get_marker() not in (None, "None", "")]
        assert [round(line.get_xdata()[0]) for line in points] == [2, 2, 0, 0, 1, 1]


class TestObservedPredicted:
    def test_points_and_rho(self) -> None:
        table = _individuals()
        table.loc[4, "observed"] = NAN
        ax = plots.observed_predicted(_one_gene(table, "G$1$"), "G$1$", "model")
        known = table.dropna()
        assert ax.lines[0].get_xdata().tolist() == known["predicted"].tolist()
        assert ax.lines[0].get_ydata().tolist() == known["observed"].tolist()
        rho = stats.spearmanr(known["predicted"], known["observed"]).statistic
        assert f"Spearman's rho = {rho:.3f}, 49 individuals" in ax.get_title()
        _render(ax)

    def test_the_title_has_the_symbol_of_the_gene(self) -> None:
        title = plots.observed_predicted(_one_gene(_individuals(20), "ENSG1", "ABI3"), "ENSG1", "model").get_title()
        assert title.startswith("ABI3 (ENSG1)")
        assert "20 individuals" in title

    def test_constant_prediction_has_no_rho(self) -> None:
        constant = _one_gene(_individuals().assign(predicted=1.0))
        assert "undefined" in plots.observed_predicted(constant, "G1", "model").get_title()


class TestSigns:
    def test_shares_intervals_and_references(self) -> None:
        ax = _signs(_summary(2))
        x = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in ax.lines]
        expected = [[50, 50], [40, 60], [50], [45], [45, 65], [55], [45]]
        assert len(x) == len(expected)
        for found, wanted in zip(x, expected, strict=True):
            np.testing.assert_allclose(found, wanted)
        assert "50.0 % [40.0, 60.0]\npermuted 45.0 %" in _words(ax)

    def test_without_replicates_says_so(self) -> None:
        ax = _signs(_summary(1).assign(reference_share=NAN))
        assert "permuted: not known" in _words(ax)
        assert ax.get_legend() is None

    def test_predictor_without_direction_is_named(self) -> None:
        summary = _summary(2)
        summary.loc[summary["predictor"] == "model_1", "share_right"] = NAN
        assert "model_1: no gene has a direction" in _words(_signs(summary))


class TestOddsRatios:
    def test_zero_infinity_and_undefined(self) -> None:
        ax = _odds(_concordance((2.0, 0.5, 8.0), (0.0, 0.0, 0.9), (INF, 1.2, INF), (NAN, NAN, NAN)))
        low, high = ax.get_xlim()
        drawn = [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines[1:]]
        assert all(low <= x <= high for _, x, _ in drawn)
        assert ("s", 2.0, 0) in drawn
        # 0 for one predictor is infinite for the other: the pair is turned
        assert [marker for marker, _, y in drawn if y == -1 and marker in "<>s"] == [">", ">"]
        assert [marker for marker, _, y in drawn if y == -2 and marker in "<>s"] == [">", ">"]
        assert [marker for marker, _, y in drawn if y == -3] == []
        words = _words(ax)
        assert "2 [0.5, 8]\npermuted 0.8" in words
        assert "∞ [1.11, ∞]" in words
        assert "∞ [1.2, ∞]" in words
        assert "undefined (0/0)" in words
        _render(ax)

    def test_intervals_end_where_the_table_says(self) -> None:
        ax = _odds(_concordance((2.0, 0.5, 8.0)))
        segment = next(line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-")
        np.testing.assert_allclose(segment.get_xdata(), [0.5, 8.0])

    def test_takes_the_stratum_that_is_asked_for(self) -> None:
        table = pd.concat([_concordance((2.0, 0.5, 8.0)), _concordance((3.0, 0.5, 8.0)).assign(stratum="linear")])
        assert "3 [" in _words(_odds(table, stratum="linear"))
        assert "3 [" not in _words(_odds(table))

    def test_refuses_an_unknown_kind(self) -> None:
        with pytest.raises(SettingError, match="mcnemar, marginal, association"):
            _odds(_concordance((1.0, 0.5, 2.0)), kind="odd")  # type: ignore[arg-type] # refused on purpose


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
