"""The first screen: one question, one number and one sentence each, with the details on demand."""

from __future__ import annotations

import attrs

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.settings import MEASURE_SYMBOLS
from pgxeval.evaluation.strata import ALL, LINEAR, NONLINEAR, UNPREDICTABLE, UNTESTED
from pgxeval.plots.drawing import of_stratum
from pgxeval.report import findings
from pgxeval.wording import UNDEFINED, correlation, count, counted, is_undefined, number, percent


@attrs.frozen(kw_only=True)
class Answer:
    """The answer to one question.

    Parameters
    ----------
    question
        One line.
    value
        The number, as text.
    sentence
        What the number says, names between backquotes. A difference is claimed only where intervals decide it.
    details
        Intervals, references and tests in full sentences.
    """

    question: str
    value: str
    sentence: str
    details: str = ""


def answers(evaluation: Evaluation) -> list[Answer]:
    """Return the answers of an evaluation, at most five; none without a defined correlation."""
    order = findings.best_first(evaluation)
    if not order:
        return []
    cards = [_ranking(evaluation, order), _significant(evaluation, order), _direction(evaluation, order)]
    cards += [_odds_ratio(evaluation, order), _nonlinear(evaluation)]
    return [one for one in cards if one is not None]


def _ranking(evaluation: Evaluation, order: list[findings.Row]) -> Answer:
    best = order[0]
    symbol = f"mean {MEASURE_SYMBOLS[evaluation.measure]}"
    sentence = f"{symbol} of `{best['predictor']}` over {counted(int(best['defined']), 'gene')}."
    if len(order) > 1:
        second = order[1]
        leads = findings.leads(evaluation, order)
        verdict = {
            True: "ranks individuals better on average than",
            False: "is not shown to rank individuals better than",
            None: "was not tested against",
        }[leads]
        sentence = (
            f"{symbol} of `{best['predictor']}`, which {verdict} `{second['predictor']}` "
            f"({correlation(second['mean_correlation'])})."
        )
    return Answer(
        question="Which predictor ranks individuals best?",
        value=correlation(best["mean_correlation"]),
        sentence=sentence,
        details=findings.ranking(evaluation, order),
    )


def _significant(evaluation: Evaluation, order: list[findings.Row]) -> Answer | None:
    best = max(order, key=lambda row: -1 if is_undefined(row["n_significant"]) else row["n_significant"])
    if is_undefined(best["n_significant"]):
        return None
    others = [
        f"`{row['predictor']}` {count(row['n_significant'])}" for row in order if row["predictor"] != best["predictor"]
    ]
    wrong = best["n_significant_wrong"]
    against = f", {count(wrong)} of them in the wrong direction" if not is_undefined(wrong) and wrong else ""
    rest = f"; {', '.join(others[:3])}" if others else ""
    return Answer(
        question="At how many genes is a prediction significant?",
        value=f"{count(best['n_significant'])} of {count(best['n_genes'])}",
        sentence=f"genes with {findings.level_words(evaluation)} under `{best['predictor']}`{against}{rest}.",
    )


def _direction(evaluation: Evaluation, order: list[findings.Row]) -> Answer:
    best = order[0]
    if is_undefined(best["share_right"]):
        sentence = f"`{best['predictor']}` has no gene with a direction."
    elif is_undefined(best["reference_share"]):
        sentence = f"of genes under `{best['predictor']}`; no permuted replicates to compare it with."
    else:
        verdict = findings.against_chance(best)
        words = {"more often": ": more often than chance", "less often": ": less often than chance"}
        sentence = (
            f"of genes under `{best['predictor']}`, {percent(best['reference_share'])} on permuted expression"
            f"{words.get(verdict, ': not distinguishable from it' if verdict else '')}."
        )
    return Answer(
        question="Do predictions point the right way?",
        value=percent(best["share_right"]),
        sentence=sentence,
        details=findings.directions(evaluation, order),
    )


def _odds_ratio(evaluation: Evaluation, order: list[findings.Row]) -> Answer | None:
    if len(order) < 2:
        return None
    comparison = findings.pair_row(evaluation.concordance, order[0]["predictor"], order[1]["predictor"])
    if comparison is None:
        return None
    a, b = order[0]["predictor"], order[1]["predictor"]
    rows = above_one(of_stratum(evaluation.concordance, ALL))
    pair = rows[rows["predictor_a"].isin([a, b]) & rows["predictor_b"].isin([a, b])]
    row = {str(name): value for name, value in pair.iloc[0].items()}
    a, b = row["predictor_a"], row["predictor_b"]
    if is_undefined(row["mcnemar_or"]):
        sentence = f"`{a}` and `{b}` never disagree, so a McNemar odds ratio cannot tell them apart."
    else:
        verdict = findings.right_more_often(row)
        decision = verdict if "points right more often, compared" in verdict else "the data do not decide which"
        sentence = (
            f"McNemar odds ratio of `{a}` to `{b}`, of which only one is right at {count(row['only_a'])} and "
            f"{count(row['only_b'])} genes: {decision}."
        )
    return Answer(
        question="Which of the best two is right more often?",
        value=number(row["mcnemar_or"]),
        sentence=sentence,
        details=f"{findings.odds_ratio(evaluation, order)} {findings.attenuation(evaluation)}",
    )


def _nonlinear(evaluation: Evaluation) -> Answer | None:
    table = evaluation.strata
    if table.empty:
        return None
    strata = table["stratum"].astype(str)
    tests = strata[strata != UNTESTED]
    question = "How many genes are nonlinear?"
    if tests.empty:
        return Answer(question=question, value=UNDEFINED, sentence=f"{findings.nonlinear(evaluation)}")
    counts = tests.value_counts()
    if not {LINEAR, NONLINEAR, UNPREDICTABLE} & set(tests):
        return Answer(
            question="How many genes are in each stratum?",
            value=count(len(tests)),
            sentence=findings.nonlinear(evaluation),
        )
    return Answer(
        question=question,
        value=f"{count(counts.get(NONLINEAR, 0))} of {count(len(tests))}",
        sentence="genes at which the random forest gains significantly over the elastic net; "
        f"{count(counts.get(LINEAR, 0))} linear, {count(counts.get(UNPREDICTABLE, 0))} unpredictable.",
        details=findings.nonlinear(evaluation),
    )
