"""AlphaGenomePredictor, hosted and local, against a slow outsider; what it keeps, and what it refuses."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")

from pgxeval import predict_cohort
from pgxeval.errors import RemoteServiceError, SettingError, UnknownNameError
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.alphagenome import client as alphagenome_client
from pgxeval.predictors.alphagenome.client import HostedClient
from pgxeval.predictors.alphagenome.model import AlphaGenomeModel
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.predictors.registry import make_predictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, IntervalReadout
from pgxeval.testing import AlphaGenomeServer

LENGTH = 16_384


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType, world: ModuleType) -> Any:
    return world.make_world(toys, tmp_path_factory.mktemp("alphagenome"))


@pytest.fixture(scope="module")
def shared(world: ModuleType) -> Iterator[AlphaGenomeServer]:
    with AlphaGenomeServer(seed=5, faults=world.Faults(), slow_s=0.1) as server:
        yield server


@pytest.fixture
def server(shared: AlphaGenomeServer) -> AlphaGenomeServer:
    shared.reset()
    shared._faults.clear()
    return shared


# --- numbers

BLOOD = {"gtex_tissue": "Whole_Blood"}
PEAK = [(11_700, 11_790), (11_940, 12_050)]
K562 = {"ontology_curie": "EFO:0002067"}
K27AC = {"ontology_curie": "UBERON:0001114", "histone_mark": "H3K27ac"}

# settings, strand, what the outsider reads, of which track, and how
CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any], dict[str, str]]] = {
    "exons +": ({}, "+", {}, BLOOD),
    "exons -": ({"tissue": "EFO:0000572"}, "-", {}, {"ontology_curie": "EFO:0000572"}),
    "stranded +": (
        {"tissue": "EFO:0002784", "assay_title": "total RNA-seq"},
        "+",
        {},
        {"ontology_curie": "EFO:0002784", "assay_title": "total RNA-seq", "strand": "+"},
    ),
    "stranded - and reverse complement": (
        {"tissue": "EFO:0002784", "assay_title": "total RNA-seq", "reverse_complement": True},
        "-",
        {"other": {"ontology_curie": "EFO:0002784", "assay_title": "total RNA-seq", "strand": "+"}},
        {"ontology_curie": "EFO:0002784", "assay_title": "total RNA-seq", "strand": "-"},
    ),
    "gene body": (
        {"readout": "gene_body"},
        "+",
        {"stretches": [(11_900, 13_033)], "aggregate": "sum", "pseudocount": 1.0},
        BLOOD,
    ),
    "tss": ({"readout": "tss"}, "+", {"stretches": None, "around_tss": 384}, BLOOD),
    "CAGE -": (
        {"output": "CAGE", "tissue": "GM12878", "readout": "tss"},
        "-",
        {"stretches": None, "around_tss": 384},
        {"ontology_curie": "EFO:0002784", "strand": "-"},
    ),
    "ATAC peak": (
        {
            "output": "ATAC",
            "tissue": "GM12878",
            "readout": IntervalReadout(intervals=[Interval("chr1", *one) for one in PEAK]),
        },
        "+",
        {"stretches": PEAK, "aggregate": "sum", "pseudocount": None},
        {"ontology_curie": "EFO:0002784"},
    ),
    "TSS in bins of 128 bp": (
        {"output": "CHIP_HISTONE", "tracks": "EFO:0002067 Histone ChIP-seq H3K4me3", "tissue": None, "readout": "tss"},
        "+",
        {"stretches": None, "around_tss": 384, "shift": 64},  # three bins, of which the TSS begins the second
        {**K562, "histone_mark": "H3K4me3"},
    ),
    "bins of 128 bp": (
        {
            "output": "CHIP_HISTONE",
            "tracks": "UBERON:0001114 Histone ChIP-seq H3K27ac",
            "tissue": None,
            "reverse_complement": True,
        },
        "-",
        {"other": K27AC},
        K27AC,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_hosted_equals_local_equals_the_outsider(
    server: AlphaGenomeServer, small: Any, world: ModuleType, case: str
) -> None:
    settings, strand, read, track = CASES[case]
    gene = world.gene(strand=strand)
    here = world.local(server, **settings).predict(gene, small.genome, small.individuals)
    there = world.hosted(server, **settings).predict(gene, small.genome, small.individuals)
    output = settings.get("output", "RNA_SEQ")
    other = read.get("other")
    wanted = world.slow_prediction(
        server,
        small,
        output=output,
        width=128 if output == "CHIP_HISTONE" else 1,
        column=world.column_of(server, output, **track),
        other_strand=None if other is None else world.column_of(server, output, **other),
        **{"stretches": world.EXONS, **{name: value for name, value in read.items() if name != "other"}},
    )
    assert here.values.dtype == np.float64
    assert here.values.tolist() == there.values.tolist()
    np.testing.assert_allclose(here.values, wanted, rtol=1e-12)
    assert len(set(wanted)) >= 4
    assert [one["index"] for one in there.used["tracks"]] == [world.column_of(server, output, **track)]


def test_every_window_is_sent_once_and_nothing_else(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    predictor = world.hosted(server, reverse_complement=True)
    predictor.predict(world.gene(), small.genome, small.individuals)
    forward = [
        world.haplotype(small.reference["chr1"], records)[0]
        for individual in small.individuals
        for records in world.copies(small, individual)
    ]
    both = {*forward, *(text.translate(world.COMPLEMENT)[::-1] for text in forward)}
    assert server.paid == dict.fromkeys(map(world.digest, both), 1)
    assert server.calls == {"PredictSequence": len(both), "GetMetadata": 1}
    assert set(server.requests) == {(LENGTH, ("RNA_SEQ",), ("UBERON:0013756",))}
    assert 1 < server.most_in_flight <= 8
    assert predictor.passes == len(both)


def test_settings_say_what_was_used(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    predictor = world.hosted(server, tissue="liver", model_version="FOLD_2")
    used = predictor.predict(world.gene(), small.genome, small.individuals).used
    assert used["tracks_requested"] == "liver"
    assert [one["name"] for one in used["tracks"]] == ["UBERON:0001114 gtex Liver polyA plus RNA-seq"]
    assert used["model_version"] == "FOLD_2"
    assert used["model_settings"]["runs_on"] == server.address
    assert used["model_settings"]["output"] == "RNA_SEQ"
    assert used["readout"] == {
        "class": "ExonMask", "aggregate": "mean", "log": "total", "pseudocount": 0.001, "partial": "refuse",
    }  # fmt: skip
    assert used["context_length_bp"] == LENGTH
    assert "non-commercial" in used["licence"]


def test_two_strands_in_one_window_are_read_of_the_same_calls(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    genes = [world.gene("plus"), world.gene("minus", "-")]
    settings = {"tissue": "EFO:0002784", "assay_title": "polyA plus RNA-seq", "if_ambiguous": "mean"}
    predictor = world.hosted(server, **settings)
    answers = {gene.gene_id: one for gene, one in predictor.predict_genes(genes, small.genome, small.individuals)}
    assert server.calls["PredictSequence"] == len(world.all_sequences(small))
    term = {"ontology_curie": "EFO:0002784", "assay_title": "polyA plus RNA-seq"}
    for name, strand in (("plus", "+"), ("minus", "-")):
        columns = [world.column_of(server, strand=one, **term) for one in (strand, ".")]
        each = [world.slow_prediction(server, small, world.EXONS, column) for column in columns]
        np.testing.assert_allclose(answers[name].values, np.mean(each, axis=0), rtol=1e-12)


def test_additive_mode_sends_the_reference_and_each_allele(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    predictor = world.hosted(server, mode="additive")
    values = predictor.predict(world.gene(), small.genome, small.individuals).values
    bases, column = small.reference["chr1"], world.column_of(server, **BLOOD)

    def score(records: list[tuple[int, str, str]]) -> float:
        text, marks = world.haplotype(bases, records)
        values = server.values(text)[:, column].astype(float)
        return float(np.log(values[world.places(marks, world.EXONS)].mean() + 0.001))

    bare = score([])
    effects = {record[1:4]: score([record[1:4]]) - bare for record in small.records}
    wanted = [
        bare + sum(effects[record] for records in world.copies(small, individual) for record in records) / 2
        for individual in small.individuals
    ]
    np.testing.assert_allclose(values, wanted, rtol=1e-11)
    assert server.calls["PredictSequence"] == 1 + len(effects)


# --- answers that cannot be used

PERMANENT = {
    "missing": "the output is absent",
    "empty": "1 are missing",
    "truncate": "truncated or damaged",
    "short": "truncated or damaged",
    "nan": "NaN or infinity",
    "shape": "shape",
    "tracks": "1 are missing",
    "INTERNAL": "INTERNAL",
    "INVALID_ARGUMENT": r"rejected the sequence \(INVALID_ARGUMENT\)",
}


def unlucky(world: ModuleType, small: Any) -> tuple[str, list[str]]:
    """A haplotype that some carry and some do not."""
    found = world.all_sequences(small)
    return next((name, people) for name, people in found.items() if 0 < len(set(people)) < 4)


@pytest.mark.parametrize("fault", PERMANENT)
def test_a_haplotype_that_always_fails_is_nan_with_what_is_wrong(
    server: AlphaGenomeServer, small: Any, world: ModuleType, fault: str
) -> None:
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    name, carriers = unlucky(world, small)
    server._faults[name] = (fault, 99)
    prediction = world.hosted(server, in_flight=2).predict(world.gene(), small.genome, small.individuals)
    for row, individual in enumerate(small.individuals):
        if individual in carriers:
            assert np.isnan(prediction.values[row])
            assert re.search(PERMANENT[fault], str(prediction.reason(row)))
        else:
            assert prediction.values[row] == right.values[row]
            assert prediction.reason(row) is None
    assert server.sequences[name] == (1 if fault == "INVALID_ARGUMENT" else 3)


@pytest.mark.parametrize(
    "fault", ["missing", "truncate", "nan", "shape", "tracks", "UNAVAILABLE", "RESOURCE_EXHAUSTED"]
)
def test_a_fault_that_passes_leaves_no_trace(
    server: AlphaGenomeServer, small: Any, world: ModuleType, fault: str
) -> None:
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    server._faults["every"] = (fault, 1)  # each sequence at its first attempt
    predictor = world.hosted(server, in_flight=3)
    prediction = predictor.predict(world.gene(), small.genome, small.individuals)
    assert prediction.values.tolist() == right.values.tolist()
    distinct = len(world.all_sequences(small))
    assert set(server.sequences.values()) == {2}
    assert set(server.paid.values()) == {1}
    refusals = {"refused": distinct, "repeated": 0, "failed": 0}
    repeats = {"refused": 0, "repeated": distinct, "failed": 0}
    assert predictor.model.counts == (refusals if fault == "RESOURCE_EXHAUSTED" else repeats)


def test_tracks_in_another_order_are_found_by_name(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    settings = {"tissue": "EFO:0002784", "if_ambiguous": "mean"}
    right = world.local(server, **settings).predict(world.gene(), small.genome, small.individuals)
    server._faults["every"] = ("reordered", 1)
    predictor = world.hosted(server, **settings)
    assert predictor.predict(world.gene(), small.genome, small.individuals).values.tolist() == right.values.tolist()
    assert predictor.model.counts == {"refused": 0, "repeated": 0, "failed": 0}


def test_bfloat16_moves_a_mean_over_exons_by_less_than_one_step(small: Any, world: ModuleType) -> None:
    with AlphaGenomeServer(seed=5, bf16=True) as rounding, AlphaGenomeServer(seed=5) as exact:
        rounded = world.hosted(rounding).predict(world.gene(), small.genome, small.individuals).values
        here = world.local(rounding).predict(world.gene(), small.genome, small.individuals).values
        right = world.local(exact).predict(world.gene(), small.genome, small.individuals).values
    assert rounded.tolist() == here.tolist()
    assert (rounded != right).all()
    assert (np.abs(np.expm1(rounded - right)) < 2**-8).all()


# --- consent


class Wrapper:
    """A user's own object that passes calls on to something."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def predict_sequence(self, sequence: str, **keywords: Any) -> Any:
        return self.inner.predict_sequence(sequence, **keywords)


def undeclared_models(server: AlphaGenomeServer) -> dict[str, Any]:
    client = server.client()
    return {
        "client": client,
        "hosted client": HostedClient(address=server.address),
        "model of a client": AlphaGenomeModel(client),
        "wrapper of a client": Wrapper(client),
        "wrapper of local weights": Wrapper(server.local()),
        "local weights": server.local(),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "client",
        "hosted client",
        "model of a client",
        "wrapper of a client",
        "wrapper of local weights",
        "local weights",
    ],
)
def test_a_model_without_a_declaration_counts_as_remote(server: AlphaGenomeServer, kind: str) -> None:
    model = undeclared_models(server)[kind]
    server.reset()
    message = r"16,384 bases .* without names.*allow_remote=True.*AlphaGenomePredictor\.local"
    for refused in (False, None, 0, 1, "yes"):  # nothing but True is consent
        with pytest.raises(SettingError, match=message):
            AlphaGenomePredictor(model, tissue="Whole_Blood", context_length=LENGTH, allow_remote=refused)
    with pytest.raises(SettingError, match=message):
        AlphaGenomePredictor(model, tissue="Whole_Blood", context_length=LENGTH)
    assert not server.calls


def test_a_declaration_is_believed(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    settings = {"tissue": "Whole_Blood", "context_length": LENGTH}
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    for predictor in (
        AlphaGenomePredictor(server.local(), remote=False, **settings),
        AlphaGenomePredictor(AlphaGenomeModel(server.local(), remote=False), **settings),
        AlphaGenomePredictor.local(Wrapper(server.local()), **settings),
    ):
        assert predictor.settings["remote"] is False
        values = predictor.predict(world.gene(), small.genome, small.individuals).values
        assert values.tolist() == right.values.tolist()
    with pytest.raises(SettingError, match="True for a HostedClient"):
        AlphaGenomePredictor(HostedClient(address=server.address), remote=False, **settings)
    with pytest.raises(SettingError, match=r"no deadline can be set.*AlphaGenomePredictor\.local"):
        AlphaGenomePredictor(Wrapper(server.local()), allow_remote=True, **settings)


@pytest.mark.parametrize("way", ["hosted", "make_predictor"])
def test_nothing_is_opened_without_consent(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    import grpc

    opened: list[str] = []
    for name in ("secure_channel", "insecure_channel"):
        monkeypatch.setattr(grpc, name, lambda *_, **__: opened.append("channel"))
    monkeypatch.setattr(alphagenome_client, "key_from_environment", lambda: opened.append("environment"))
    settings = {"tissue": "Whole_Blood", "key": lambda: opened.append("key")}
    make = AlphaGenomePredictor.hosted if way == "hosted" else lambda **given: make_predictor("alphagenome", **given)
    for refused in ({}, {"allow_remote": False}, {"allow_remote": "yes"}):
        with pytest.raises(SettingError) as refusal:
            make(**settings, **refused)
        said = str(refusal.value)
        for part in (
            "dns:///gdmscience.googleapis.com:443", "131,072 bases", "without names", "allow_remote=True",
            "AlphaGenomePredictor.local(model)", "from_torch",
        ):  # fmt: skip
            assert part in said
    assert opened == []
    with pytest.raises(SettingError, match=r"AlphaGenome at here:1 would receive.* 1,048,576 bases"):
        AlphaGenomePredictor.hosted(tissue="Whole_Blood", address="here:1", context_length=1_048_576)
    with pytest.raises(SettingError, match=r"would receive.* 16384 bases"):  # wrong, but that comes later
        AlphaGenomePredictor.hosted(tissue="Whole_Blood", context_length="16384")


def test_a_local_model_needs_no_consent(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    predictor = world.local(server)
    assert not predictor.info.remote
    predictor.predict(world.gene(), small.genome, small.individuals)
    assert not server.calls


def test_a_client_in_hand_stays_as_it_was(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    client = server.client("own-key")
    before = dict(vars(client))
    settings = {"tissue": "Whole_Blood", "context_length": LENGTH, "allow_remote": True}
    prediction = AlphaGenomePredictor(client, **settings).predict(world.gene(), small.genome, small.individuals)
    assert dict(vars(client)) == before
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    assert prediction.values.tolist() == right.values.tolist()
    assert set(server.seen_keys) == {"own-key"}


# --- the cache


def test_hosted_scores_are_kept_by_default_and_local_ones_are_not(
    server: AlphaGenomeServer, world: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGXEVAL_CACHE", str(tmp_path / "named"))
    assert world.hosted(server).score_cache.folder == tmp_path / "named"
    assert world.local(server).score_cache is None
    monkeypatch.delenv("PGXEVAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert world.hosted(server).score_cache.folder == tmp_path / "xdg" / "pgxeval" / "scores"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert world.hosted(server).score_cache.folder == tmp_path / "home" / ".cache" / "pgxeval" / "scores"
    assert world.hosted(server, score_cache=None).score_cache is None
    with pytest.raises(SettingError, match="kept under its version"):
        world.local(server, score_cache=tmp_path / "local")
    named = world.local(server, score_cache=tmp_path / "local", version="all_folds")
    assert named.score_cache.folder == tmp_path / "local"


def run(
    world: ModuleType, server: AlphaGenomeServer, small: Any, *, people: Any = None, gene: Any = None, **more: Any
) -> Any:
    """Predict, and count the calls that it took."""
    before = server.calls["PredictSequence"]
    predictor = world.hosted(server, **more)
    prediction = predictor.predict(gene or world.gene(), small.genome, people or small.individuals)
    counts = predictor.model.counts
    assert predictor.passes == server.calls["PredictSequence"] - before - counts["refused"] - counts["repeated"]
    return prediction, server.calls["PredictSequence"] - before


def test_only_what_is_new_is_paid_for(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    few = small.individuals[:3]
    n_few, n_all = len(world.all_sequences(small, few)), len(world.all_sequences(small))
    assert n_few < n_all
    first, calls = run(world, server, small, people=few)
    assert calls == n_few
    again, calls = run(world, server, small, people=few)
    assert (again.values.tolist(), calls) == (first.values.tolist(), 0)
    more, calls = run(world, server, small)
    assert (more.values[:3].tolist(), calls) == (first.values.tolist(), n_all - n_few)
    for changed in ({"readout": ExonMask(aggregate="mean", log=None)}, {"combine": "max"}, {"name": "other"}):
        assert run(world, server, small, **changed)[1] == 0  # all of these come after
    plain = world.local(server).predict(world.gene(), small.genome, small.individuals)
    assert more.values.tolist() == plain.values.tolist()


def test_what_shapes_a_score_is_not_taken_from_the_cache(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    n_all = len(world.all_sequences(small))
    run(world, server, small)
    wider = world.gene(exons=((11_900, 12_060), (12_400, 12_520), (13_000, 13_034)))  # a new annotation
    for changed in (
        {"readout": "gene_body"},
        {"tissue": "Liver"},
        {"output": "ATAC", "tissue": "GM12878"},
        {"model_version": "FOLD_1"},
        {"gene": wider},
    ):
        prediction, calls = run(world, server, small, **changed)
        assert calls == n_all, changed
        settings = {name: value for name, value in changed.items() if name not in ("gene", "model_version")}
        fresh = world.local(server, **settings).predict(
            changed.get("gene", world.gene()), small.genome, small.individuals
        )
        assert prediction.values.tolist() == fresh.values.tolist()
        assert run(world, server, small, **changed)[1] == 0
    with AlphaGenomeServer(seed=6) as elsewhere:
        prediction, calls = run(world, elsewhere, small)
        assert calls == n_all
        fresh = world.local(elsewhere).predict(world.gene(), small.genome, small.individuals)
        assert prediction.values.tolist() == fresh.values.tolist()


def test_further_readouts_and_tissues_come_of_the_same_calls(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    n_all = len(world.all_sequences(small))
    sum_of_exons = ExonMask(aggregate="sum")
    also = {"extra_readouts": ["gene_body", "tss", sum_of_exons], "extra_tissues": ["Liver", "EFO:0002784"]}
    first, calls = run(world, server, small, **also)
    assert calls == n_all
    assert first.values.tolist() == run(world, server, small)[0].values.tolist()
    for tissue in ("Whole_Blood", "Liver"):
        for readout in ("exons", "gene_body", "tss", sum_of_exons):
            prediction, calls = run(world, server, small, tissue=tissue, readout=readout)
            assert calls == 0
            fresh = world.local(server, tissue=tissue, readout=readout)
            right = fresh.predict(world.gene(), small.genome, small.individuals)
            assert prediction.values.tolist() == right.values.tolist()
    assert run(world, server, small, tissue="EFO:0002784", if_ambiguous="mean")[1] == 0
    assert run(world, server, small, tissue="Spleen")[1] == n_all


def test_failures_are_remembered_and_tried_again_on_request_only(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    name, carriers = unlucky(world, small)
    server._faults[name] = ("nan", 99)
    first, _ = run(world, server, small, score_cache=None)
    first, _ = run(world, server, small)
    server.reset()
    again, calls = run(world, server, small)
    assert calls == 0
    assert np.array_equal(again.values, first.values, equal_nan=True)
    row = small.individuals.index(carriers[0])
    assert str(again.reason(row)) == f"{first.reason(row)} (in an earlier run; retry_failed=True tries again)"
    server._faults.clear()
    mended, calls = run(world, server, small, retry_failed=True)
    assert calls == 1
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    assert mended.values.tolist() == right.values.tolist()
    after, calls = run(world, server, small)  # a sequence that succeeded later is not a failure
    assert (after.values.tolist(), calls) == (right.values.tolist(), 0)


def test_a_failure_with_one_tissue_spoils_no_other(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    right, _ = run(world, server, small)
    name, _ = unlucky(world, small)
    server._faults[name] = ("nan", 99)
    run(world, server, small, tissue="Liver")
    both, _ = run(world, server, small, extra_tissues=["Liver"])
    assert both.values.tolist() == right.values.tolist()


def test_what_fails_for_a_moment_in_another_way_is_not_remembered(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    """A run that ends with an error has told nothing of the sequences that were under way."""
    server.expire_key_after(3)
    with pytest.raises(RemoteServiceError, match="rejected the API key"):
        run(world, server, small, in_flight=1)
    paid = dict(server.paid)
    server.reset()
    prediction, calls = run(world, server, small)
    assert calls == len(world.all_sequences(small)) - len(paid)
    assert not set(paid) & set(server.paid)
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    assert prediction.values.tolist() == right.values.tolist()


def test_two_runs_may_share_the_hub_cache(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    one, other = world.hosted(server), world.hosted(server)
    for predictor in (one, other):
        predictor.predict(world.gene(), small.genome, small.individuals)
    assert run(world, server, small)[1] == 0


# --- in a run over a cohort, and in other processes


def test_predict_cohort_takes_it(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    cohort = world.make_cohort(small, [world.gene("plus"), world.gene("minus", "-")])
    names = [world.hosted(server), world.local(server, name="local")]
    predictions = predict_cohort(cohort, names, progress=False)
    table = predictions.table
    there, here = (table[table["predictor"] == name]["prediction"] for name in ("alphagenome", "local"))
    assert len(there) == 2 * len(small.individuals)
    assert there.notna().all()
    assert there.tolist() == here.tolist()
    assert predictions.settings["alphagenome"]["used"]["tracks"][0]["name"].startswith(
        "UBERON:0013756 gtex Whole_Blood"
    )


PICKLED = """
    import pickle, sys
    from pathlib import Path
    predictor, gene, genome, individuals = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(predictor.predict(gene, genome, individuals).values.tolist())
"""


def key_of_a_module() -> str:
    return "found-by-name"


def test_a_hosted_predictor_works_in_another_process(
    server: AlphaGenomeServer, small: Any, world: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAGENOME_API_KEY", "key-of-the-environment")
    predictor = world.hosted(server)
    content = pickle.dumps((predictor, world.gene(), small.genome, small.individuals))
    assert b"key-of-the-environment" not in content
    (tmp_path / "predictor.pickle").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PICKLED), str(tmp_path / "predictor.pickle")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    right = world.local(server).predict(world.gene(), small.genome, small.individuals)
    assert done.stdout.strip() == str(right.values.tolist())
    assert set(server.seen_keys) == {"key-of-the-environment"}
    before = server.calls["PredictSequence"]
    predictor.predict(world.gene(), small.genome, small.individuals)
    # this predictor was made before, and still finds what the other process wrote
    assert server.calls["PredictSequence"] == before


def test_a_client_in_hand_is_not_pickled(server: AlphaGenomeServer) -> None:
    predictor = AlphaGenomePredictor(server.client(), tissue="Whole_Blood", context_length=LENGTH, allow_remote=True)
    with pytest.raises(SettingError, match="a client holds its API key"):
        pickle.dumps(predictor)


# --- what is refused


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"tissue": None}, SettingError, "either tissue= .* or tracks="),
        ({"tracks": [1]}, SettingError, "either tissue= .* or tracks="),
        ({"readout": "exon"}, UnknownNameError, "unknown readout 'exon'.*exons, gene_body, tss.*near: exons"),
        ({"readout": ExonMask}, SettingError, "got the class ExonMask"),
        ({"output": "RNASEQ"}, UnknownNameError, "unknown output 'RNASEQ'.*near: RNA_SEQ"),
        ({"tissue": "Whole_Bloood"}, UnknownNameError, "Whole_Blood"),
        ({"tissue": "CL:9999999"}, UnknownNameError, "no track is called or means 'CL:9999999'"),
        ({"in_fligth": 3}, SettingError, "has no option 'in_fligth'; near: in_flight"),
        ({"context_length": 100_000}, SettingError, "100,?000"),
        ({"in_flight": 0}, SettingError, "in_flight must be a whole number above 0, got 0"),
        ({"in_flight": True}, SettingError, "in_flight must be a whole number above 0, got True"),
        ({"deadline_s": 0}, SettingError, "deadline_s must be above 0, got 0"),
        ({"calls_per_minute": 0}, SettingError, "at least 1, got 0"),
        ({"source": "encode"}, UnknownNameError, "source='encode'"),
        ({"extra_readouts": "tss"}, SettingError, "must be a list"),
        ({"extra_tissues": "Liver"}, SettingError, "must be a list"),
        ({"extra_readouts": ["tts"]}, UnknownNameError, "unknown readout 'tts'.*near: tss"),
        ({"extra_tissues": ["Livr"]}, UnknownNameError, "'Livr'.*Liver"),
        ({"mode": "both"}, SettingError, "mode must be 'haplotypes' or 'additive'"),
    ],
)
def test_bad_settings_are_named(
    server: AlphaGenomeServer, world: ModuleType, settings: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        world.hosted(server, **settings)
    assert not server.calls["PredictSequence"]


def test_settings_go_to_the_model_or_to_the_predictor(server: AlphaGenomeServer) -> None:
    settings = {"tissue": "Whole_Blood", "context_length": LENGTH}
    model = AlphaGenomeModel(server.local(), remote=False)
    AlphaGenomePredictor(model, **settings, output="RNA_SEQ")
    for twice in ({"output": "CAGE"}, {"in_flight": 3}, {"version": "2"}):
        with pytest.raises(SettingError, match="must be given to the AlphaGenomeModel"):
            AlphaGenomePredictor(model, **settings, **twice)
    with pytest.raises(SettingError, match=r"AlphaGenomePredictor\.hosted has no option 'model'"):
        AlphaGenomePredictor.hosted(allow_remote=True, model=server.client(), address=server.address, **settings)
    for wrong in (AlphaGenomeServer, object(), None, "all_folds"):
        with pytest.raises(SettingError, match="with predict_sequence"):
            AlphaGenomePredictor.local(wrong, **settings)


def test_exons_beyond_the_window_are_nan_and_cost_nothing(
    server: AlphaGenomeServer, small: Any, world: ModuleType
) -> None:
    far = world.gene("far", exons=((11_900, 12_060), (23_000, 23_100)))
    prediction = world.hosted(server).predict(far, small.genome, small.individuals)
    assert np.isnan(prediction.values).all()
    assert "lie outside the output of the model" in str(prediction.reason(0))
    assert server.calls["PredictSequence"] == 0
    clipped = world.hosted(server, readout=GeneBody()).predict(far, small.genome, small.individuals)
    assert np.isfinite(clipped.values).all()


def test_a_new_key_serves_the_same_predictor(small: Any, world: ModuleType, tmp_path: Path) -> None:
    with AlphaGenomeServer(api_key="old key") as server:
        keys = ["old key"]
        predictor = world.hosted(server, key=lambda: keys[-1], score_cache=tmp_path)
        server._api_key = "new key"
        with pytest.raises(RemoteServiceError, match="run again with a valid key"):
            predictor.predict(world.gene(), small.genome, small.individuals)
        keys.append("new key")
        values = predictor.predict(world.gene(), small.genome, small.individuals).values
        assert np.isfinite(values).all()
