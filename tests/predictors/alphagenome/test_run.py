"""Whole runs of AlphaGenome over a cohort: the server fails, refuses, hangs and dies, and so does who asks."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")
pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")

from pgxeval import Cohort, predict_cohort
from pgxeval.errors import InputFileError, RemoteServiceError, SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.prediction.results import GeneResult
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.predictors.hosted.pacing import Pacer
from pgxeval.simulation.simulate import simulate_cohort
from pgxeval.tables.predictions import Predictions
from pgxeval.testing import AlphaGenomeServer, random_faults

LENGTH = 16_384


def open_cohort(folder: Path, genes: int | None = None) -> Cohort:
    cohort = Cohort.from_files(
        expression=folder / "expression.bed.gz",
        genotypes=folder / "genotypes.vcf.gz",
        genes=folder / "genes.gtf.gz",
        reference=folder / "reference.fa",
    )
    return cohort if genes is None else cohort.subset(genes=[gene.gene_id for gene in cohort.genes[:genes]])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 40 individuals and 30 genes, whose windows hold 19 distinct haplotypes each."""
    folder = tmp_path_factory.mktemp("cohort")
    simulate_cohort(folder, individuals=40, genes=30, window_bp=20_000, seed=1)
    return folder


@pytest.fixture(scope="module")
def cohort(files: Path) -> Cohort:
    return open_cohort(files, 4)


def hosted(server: Any, cache: Path, **settings: Any) -> AlphaGenomePredictor:
    asked = {"tissue": "Whole_Blood", "readout": "tss", "context_length": LENGTH, "progress": False, **settings}
    predictor = AlphaGenomePredictor.hosted(address=server.address, allow_remote=True, score_cache=cache, **asked)
    predictor.model._calls._wait_scale = 0.005
    predictor.model._calls.pacer = Pacer(period_s=0.05)
    return predictor


def expected(server: AlphaGenomeServer, cohort: Cohort) -> pd.DataFrame:
    """Return what an object on this machine predicts, by gene and individual."""
    local = AlphaGenomePredictor.local(server.local(), tissue="Whole_Blood", readout="tss", context_length=LENGTH)
    return by_gene(predict_cohort(cohort, [local], progress=False).table)


def by_gene(table: pd.DataFrame, column: str = "prediction") -> pd.DataFrame:
    return table.set_index(["gene_id", "individual"])[column].unstack()  # noqa: PD010  # pivot_table takes means


def digests_of(cohort: Cohort) -> dict[tuple[str, str], list[str]]:
    """Gene and individual -> SHA-256 of the sequences of both copies."""
    found = {}
    for gene in cohort.genes:
        window = Interval(gene.contig, gene.tss - LENGTH // 2, gene.tss + LENGTH // 2)
        made = cohort.genome.haplotypes(window, list(cohort.individuals), gene.tss)
        names = [hashlib.sha256(row.tobytes()).hexdigest() for row in made.sequences]
        for individual, rows in zip(cohort.individuals, made.index, strict=True):
            found[gene.gene_id, individual] = [names[row] for row in rows]
    return found


WORDS = {
    "truncate": "truncated or damaged",
    "short": "truncated or damaged",
    "missing": "the output is absent",
    "empty": "1 are missing",
    "tracks": "1 are missing",
    "nan": "NaN or infinity in 1 place",
    "shape": r"got \(16383, ",
    "hang": "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED": "rejected the sequence 50 times",
}


@pytest.fixture(scope="module")
def faulty(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run 30 genes x 40 individuals with faults at a tenth of the sequences, then again, then with another try."""
    cache = tmp_path_factory.mktemp("faulty") / "cache"
    cohort, faults = open_cohort(files), random_faults(share=0.1, permanent=0.3, seed=5)
    with AlphaGenomeServer(seed=3, faults=faults) as server:
        runs = []
        for retry_failed in (False, False, True):
            before = server.sequences
            predictor = hosted(server, cache, deadline_s=1.5, retry_failed=retry_failed)
            table = predict_cohort(cohort, [predictor], progress=False).table
            runs.append((table, server.sequences - before, dict(predictor.model.counts)))
        yield {
            "cohort": cohort,
            "digests": digests_of(cohort),
            "right": expected(server, cohort),
            "faults": faults,
            "runs": runs,
            "paid": server.paid,
            "most": server.most_in_flight,
        }


def test_transient_failures_are_retried_and_permanent_ones_are_nan(faulty: dict[str, Any]) -> None:
    table, faults, digests = faulty["runs"][0][0], faulty["faults"], faulty["digests"]
    values, reasons = by_gene(table), by_gene(table, "reason")
    kinds = {digest: faults.kind(digest) for both in digests.values() for digest in both}
    met = {faults.fault(digest) for digest, kind in kinds.items() if kind == "transient"}
    lost = {faults.fault(digest) for digest, kind in kinds.items() if kind == "permanent"}
    assert len(met) >= 12
    assert len(lost) >= 8
    for (gene, individual), both in digests.items():
        failed = [faults.fault(digest) for digest in both if kinds[digest] == "permanent"]
        value, reason = values.loc[gene, individual], reasons.loc[gene, individual]
        if not failed:
            assert value == pytest.approx(faulty["right"].loc[gene, individual], abs=1e-12)
            assert pd.isna(reason)
        else:
            assert np.isnan(value)
            assert any(pd.Series([reason]).str.contains(WORDS.get(fault, fault)).all() for fault in failed), reason


def test_no_haplotype_is_paid_twice(faulty: dict[str, Any]) -> None:
    wanted = {digest for both in faulty["digests"].values() for digest in both}
    answered = {digest for digest in wanted if faulty["faults"].kind(digest) != "permanent"}
    assert faulty["paid"] == dict.fromkeys(answered, 1)
    assert set(faulty["runs"][0][1]) == wanted
    assert faulty["most"] <= 8


def test_the_second_run_calls_nothing_and_says_the_same(faulty: dict[str, Any]) -> None:
    (first, *_), (second, calls, _), _ = faulty["runs"]
    assert not calls
    pd.testing.assert_series_equal(first["prediction"], second["prediction"])
    lost = first["prediction"].isna()
    assert second.loc[lost, "reason"].str.contains(r"in an earlier run; retry_failed=True tries again").all()


def test_on_request_exactly_the_failed_ones_are_tried_again(faulty: dict[str, Any]) -> None:
    _, _, (table, calls, counts) = faulty["runs"]
    failed = {
        digest for both in faulty["digests"].values() for digest in both if faulty["faults"].kind(digest) == "permanent"
    }
    assert set(calls) == failed
    assert counts["failed"] == len(failed)
    pd.testing.assert_series_equal(table["prediction"], faulty["runs"][0][0]["prediction"])


# --- the quota


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_a_quota_is_kept_to_without_loss(kind: str, cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(quota=20, quota_period_s=0.6, quota_kind=kind) as server:
        predictor = hosted(server, tmp_path / "cache")
        predictor.model._calls.pacer = Pacer(period_s=0.6)
        table = predict_cohort(cohort, [predictor], progress=False).table
        assert set(server.paid.values()) == {1}
        assert server.refused == predictor.model.counts["refused"]
        assert predictor.model.calls_per_minute is not None
        pd.testing.assert_frame_equal(by_gene(table), expected(server, cohort))


# --- a service that goes away


def failing(fault: str, after: int) -> Callable[[str, int], str | None]:
    seen: set[str] = set()

    def faults(digest: str, attempt: int) -> str | None:
        if len(seen) < after:
            seen.add(digest)
        return None if digest in seen else fault

    return faults


def continue_later(server: AlphaGenomeServer, cohort: Cohort, cache: Path, **settings: Any) -> None:
    """Run again when the service is well: what was answered is there, and nothing is asked twice."""
    paid = server.paid
    server._faults = None
    table = predict_cohort(cohort, [hosted(server, cache, **settings)], progress=False).table
    assert set(server.paid.values()) == {1}
    assert len(server.paid) > len(paid)
    pd.testing.assert_frame_equal(by_gene(table), expected(server, cohort))


@pytest.mark.parametrize("after", [0, 20])
def test_a_service_that_goes_away_ends_the_run_and_nothing_is_lost(after: int, cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(faults=failing("UNAVAILABLE", after)) as server:
        predictor = hosted(server, tmp_path)
        # whoever is away answers nothing at all
        server._answers.metadata = lambda request: 1 / 0
        with pytest.raises(RemoteServiceError, match=r"cannot be reached .* in the cache; run again later"):
            predict_cohort(cohort, [predictor], progress=False)
        del server._answers.metadata
        assert len(server.paid) == after
        continue_later(server, cohort, tmp_path)


def test_a_service_that_is_stopped_midway_ends_the_run(cohort: Cohort, tmp_path: Path) -> None:
    server = AlphaGenomeServer(delay_s=0.02)

    def stop() -> None:
        while server.answered < 5:
            time.sleep(0.002)
        server.stop()

    stopper = threading.Thread(target=stop)
    predictor = hosted(server, tmp_path)
    stopper.start()
    with pytest.raises(RemoteServiceError, match="cannot be reached"):
        predict_cohort(cohort, [predictor], progress=False)
    stopper.join()
    assert 0 < len(server.paid) < 76
    with AlphaGenomeServer() as other:
        plan = hosted(other, tmp_path).plan(cohort, progress=False)  # another address, another service
        assert (plan.cached, plan.calls) == (0, plan.distinct)


def test_a_quota_that_is_used_up_for_long_ends_the_run(cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(faults=failing("RESOURCE_EXHAUSTED", 20)) as server:
        predictor = hosted(server, tmp_path)
        predictor.model._calls.pacer = Pacer(period_s=2.0, patience_s=0.5)
        with pytest.raises(RemoteServiceError, match=r"because the quota is exhausted .* in the cache"):
            predict_cohort(cohort, [predictor], progress=False)
        assert len(server.paid) == 20
        continue_later(server, cohort, tmp_path)


def test_a_service_that_fails_at_everything_ends_the_run(cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(faults=failing("INTERNAL", 20)) as server:
        with pytest.raises(RemoteServiceError, match=r"24 sequences in a row.* with INTERNAL.*retry_failed=True"):
            predict_cohort(cohort, [hosted(server, tmp_path)], progress=False)
        assert len(server.paid) == 20
        continue_later(server, cohort, tmp_path, retry_failed=True)


def test_calls_that_hang_are_given_up(cohort: Cohort, tmp_path: Path) -> None:
    few = cohort.subset(genes=[cohort.genes[0].gene_id])
    with AlphaGenomeServer(faults=lambda _, attempt: "hang" if attempt == 0 else None) as server:
        begin = time.monotonic()
        table = predict_cohort(few, [hosted(server, tmp_path, deadline_s=0.5)], progress=False).table
        assert time.monotonic() - begin < 8
        pd.testing.assert_frame_equal(by_gene(table), expected(server, few))
        assert set(server.sequences.values()) == {2}


def test_an_expired_key_stops_the_run_at_once_and_everything_is_kept(cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(delay_s=0.01) as server:
        predictor = hosted(server, tmp_path)
        server.expire_key_after(25)
        with pytest.raises(RemoteServiceError, match=r"rejected the API key \(UNAUTHENTICATED\).*in the cache"):
            predict_cohort(cohort, [predictor], progress=False)
        # those under way when it expired are answered, and no worker comes back for more
        answered = len(server.paid)
        assert 25 <= answered <= 25 + 8
        assert server.calls["PredictSequence"] <= answered + 2 * 10
        server._expires_at = None
        plan = hosted(server, tmp_path).plan(cohort, progress=False)
        assert plan.cached == answered
        continue_later(server, cohort, tmp_path)


# --- a disk that fails


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_paid(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with AlphaGenomeServer() as server:
        with pytest.raises(
            SettingError, match=r"score cache: the folder .*file/cache cannot be created \(Not a directory\)"
        ):
            hosted(server, tmp_path / "file" / "cache")
        assert not server.calls["PredictSequence"]


def test_a_disk_that_is_full_ends_the_run_and_is_named(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AlphaGenomeServer(delay_s=0.01) as server:
        predictor = hosted(server, tmp_path)
        write, written = os.write, [0]

        def full(handle: int, content: Any) -> int:
            if str(Path(f"/proc/self/fd/{handle}").readlink()).startswith(str(tmp_path)):
                written[0] += 1
                if written[0] > 11:  # the first record identifies the key
                    raise OSError(28, "No space left on device")
            return write(handle, content)

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(InputFileError, match=rf"score cache {tmp_path}: cannot be written \(No space left"):
            predict_cohort(cohort, [predictor], progress=False)
        monkeypatch.undo()
        monkeypatch.setenv("PGXEVAL_CACHE", str(tmp_path / "elsewhere"))
        assert server.calls["PredictSequence"] <= 10 + 20
        assert hosted(server, tmp_path).plan(cohort, progress=False).cached == 10
        assert not working_threads()


# --- whoever asks goes away


def working_threads(within_s: float = 15.0) -> list[str]:
    """Return the threads of passes that are still there after some seconds."""
    gc.collect()
    end = time.monotonic() + within_s
    while True:
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("pgxeval-pass")]
        if not names or time.monotonic() > end:
            return names
        time.sleep(0.02)


def test_a_run_that_is_left_midway_keeps_what_is_under_way(cohort: Cohort, tmp_path: Path) -> None:
    with AlphaGenomeServer(delay_s=0.05) as server:
        predictor = hosted(server, tmp_path)
        genes = predictor.predict_genes(cohort.genes, cohort.genome, list(cohort.individuals))
        next(genes)
        begin = time.monotonic()
        genes.close()
        assert time.monotonic() - begin < 8
        calls = server.calls["PredictSequence"]
        assert not working_threads()
        time.sleep(0.1)
        assert server.calls["PredictSequence"] == calls < predictor.plan(cohort, progress=False).calls + calls
        assert hosted(server, tmp_path).plan(cohort, progress=False).cached == len(server.paid)
        continue_later(server, cohort, tmp_path)


def test_ctrl_c_between_two_genes_stops_the_threads(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GeneResult, "from_prediction", interrupted)
    with AlphaGenomeServer(delay_s=0.05) as server:
        with pytest.raises(KeyboardInterrupt) as kept:  # with its traceback, as notebooks do
            predict_cohort(cohort, [hosted(server, tmp_path)], progress=False)
        assert not working_threads()
        assert kept.tb is not None
        assert 0 < server.calls["PredictSequence"] < 70
        assert hosted(server, tmp_path).plan(cohort, progress=False).cached == len(server.paid)


CHILD = """
    import signal
    import sys
    from pathlib import Path

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    from pgxeval import Cohort, predict_cohort
    from pgxeval.predictors.sequence import pool
    from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor

    address, folder, cache, out, n_genes, grace_s = sys.argv[1:]
    pool._GRACE_S = float(grace_s)
    folder = Path(folder)
    cohort = Cohort.from_files(
        expression=folder / "expression.bed.gz",
        genotypes=folder / "genotypes.vcf.gz",
        genes=folder / "genes.gtf.gz",
        reference=folder / "reference.fa",
    )
    cohort = cohort.subset(genes=[gene.gene_id for gene in cohort.genes[: int(n_genes)]])
    predictor = AlphaGenomePredictor.hosted(
        address=address, allow_remote=True, score_cache=cache, tissue="Whole_Blood", readout="tss",
        context_length=16_384, progress=False,
    )
    predict_cohort(cohort, [predictor], progress=False).write(out)
"""


@pytest.fixture
def start(files: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a run in another process; no process outlives the test."""
    children: list[Any] = []

    def run(server: AlphaGenomeServer, grace_s: float = 10.0) -> Any:
        arguments = [server.address, files, tmp_path / "cache", tmp_path / "out.parquet", 4, grace_s]
        children.append(
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", textwrap.dedent(CHILD), *map(str, arguments)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return children[-1]

    yield run
    for child in children:
        with child:
            child.kill()


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def test_a_killed_run_repeats_no_more_than_what_was_in_flight(
    start: Callable[..., Any], cohort: Cohort, tmp_path: Path
) -> None:
    with AlphaGenomeServer(delay_s=0.04) as server:
        done = 0
        for more in (9, 17, 26):
            child = start(server)
            wait_for(lambda more=more, done=done: server.answered >= done + more)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
            wait_for(lambda: server.in_flight == 0)
            done = server.answered
        child = start(server)
        assert child.communicate(timeout=60)[0] == ""
        assert child.returncode == 0
        assert sum(server.sequences.values()) - len(server.sequences) <= 3 * 8
        pd.testing.assert_frame_equal(
            by_gene(Predictions.read(tmp_path / "out.parquet").table), expected(server, cohort)
        )


@pytest.mark.parametrize("trouble", ["calls", "hang", "UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_ctrl_c_ends_a_run_soon_and_keeps_what_came(
    trouble: str, start: Callable[..., Any], cohort: Cohort, tmp_path: Path
) -> None:
    faults = None if trouble == "calls" else failing(trouble, 20)
    with AlphaGenomeServer(delay_s=0.1, faults=faults) as server:
        # calls that hang are waited for, ten seconds in real runs; waits of our own end at once
        child = start(server, grace_s=2.0 if trouble == "hang" else 60.0)
        wait_for(lambda: server.answered >= 20)
        if trouble != "calls":
            wait_for(lambda: len(server.sequences) > 20)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        out = child.communicate(timeout=40)[0]
        took = time.monotonic() - begin
        assert out.rstrip().endswith("KeyboardInterrupt")
        assert took < 12
        wait_for(lambda: server.in_flight == 0)
        assert hosted(server, tmp_path / "cache").plan(cohort, progress=False).cached == len(server.paid)
        assert set(server.paid.values()) == {1}
