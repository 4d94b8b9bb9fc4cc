"""The page "AlphaGenome on your cohort": its code runs as it stands, a local server in place of the hosted one."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

from pgxeval.errors import PgxevalWarning
from pgxeval.prediction import replicates
from pgxeval.predictors.alphagenome import client as alphagenome_client
from pgxeval.simulation.simulate import simulate_cohort
from pgxeval.testing import AlphaGenomeServer

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")
pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "howto" / "alphagenome.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = "a-key-that-only-the-test-knows"
NAMES = {"genes": "gencode.gtf.gz", "reference": "GRCh38.fa"}
HAS_TORCH = importlib.util.find_spec("torch") is not None


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


class Ported:
    """A module that is called as the PyTorch port is, and computes what the server does; of whole blood alone."""

    def __init__(self, server: AlphaGenomeServer) -> None:
        self._server = server
        self.batches: list[int] = []

    def predict(
        self, letters: Any, organism: int, *, named_outputs: bool, resolutions: Sequence[int], heads: Sequence[str]
    ) -> Any:
        import torch
        from alphagenome.models import dna_client

        assert (organism, named_outputs, tuple(resolutions), tuple(heads)) == (0, True, (1,), ("rna_seq",))
        self.batches.append(len(letters))
        one_hot = letters.numpy()
        codes = np.where(one_hot.any(axis=2), one_hot.argmax(axis=2), 4)
        texts = [row.tobytes().decode() for row in np.frombuffer(b"ACGTN", dtype=np.uint8)[codes]]
        asked = {"requested_outputs": [dna_client.OutputType.RNA_SEQ], "ontology_terms": ["UBERON:0013756"]}
        answers = [self._server.local().predict_sequence(text, **asked).rna_seq for text in texts]
        values = torch.from_numpy(np.stack([answer.values for answer in answers]))
        tracks = [_Track(row) for row in answers[0].metadata.to_dict("records")]
        return SimpleNamespace(rna_seq={1: SimpleNamespace(tensor=values, tracks=tracks)})


class _Track(dict[str, Any]):
    @property
    def track_name(self) -> str:
        return str(self["name"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlphaGenomeServer]:
    """Stand where the page's code looks for the service, the weights and the key."""
    monkeypatch.setenv("ALPHAGENOME_API_KEY", KEY)
    with AlphaGenomeServer(api_key=KEY) as server:
        monkeypatch.setattr(alphagenome_client, "ADDRESS", server.address)
        fetched = _module("dna_model", create_from_huggingface=lambda name: server.local())
        ported = SimpleNamespace(from_pretrained=lambda path, device: Ported(server))
        for module in (
            _module("alphagenome_research"),
            _module("alphagenome_research.model", dna_model=fetched),
            _module("alphagenome_pytorch", AlphaGenome=ported),
            _module("keyring", get_password=lambda service, user: KEY),
        ):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay files with the names of the page, of a small cohort."""
    made = simulate_cohort(tmp_path, individuals=30, kinds={"null": 2}, window_bp=20_000, seed=2)
    for name, called in NAMES.items():
        for path in tmp_path.glob(f"{made.files[name].name}*"):
            path.rename(tmp_path / path.name.replace(made.files[name].name, called))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replicates, "NULL_DRAWS", 2)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    return tmp_path


def _words(text: str) -> list[str]:
    """Return the words without what hangs on the size of the cohort."""
    return re.sub(r"\b(min|h|days)\b", "long", re.sub(r"\d[\d,.]*", "#", text)).split()


def test_the_page_runs(folder: Path, server: AlphaGenomeServer) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    printed, calls = "", []
    for kind, block in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            assert not printed, f"what is printed before this is not shown: {printed}"
            if "alphagenome_pytorch" in block and not HAS_TORCH:
                continue
            out = io.StringIO()
            with redirect_stdout(out), warnings.catch_warnings():
                warnings.simplefilter("ignore", PgxevalWarning)  # few genes fill few genomic blocks
                exec(compile(block, PAGE.name, "exec"), names)
            printed = out.getvalue()
            calls.append(server.calls["PredictSequence"])
        elif kind == "text":
            assert printed.split() == block.split()
            printed = ""
        elif kind == "console":
            assert _words(printed) == _words(block)
            printed = ""
    assert not printed
    assert len(calls) >= 9
    assert set(server.seen_keys) == {KEY}

    # paid for: all that the plan said for the blood, the same again for liver and muscle together, and no more
    planned = names["plan"].calls
    assert planned > 4
    assert calls[:4] == [0, 0, 0, planned]
    assert set(calls) == {0, planned, 2 * planned}
    assert calls[-1] == 2 * planned
    cache = Path(os.environ["PGXEVAL_CACHE"])
    modes = {path.name.split("-")[0]: stat.S_IMODE(path.stat().st_mode) for path in [cache, *cache.iterdir()]}
    assert modes == {"cache": 0o700, "key": 0o600, "scores": 0o600}
    n_parts = len(list(cache.glob("scores-*")))  # each begins with a record that identifies the key
    # of 32 bytes: one track and readout of the blood; two tracks and three readouts of liver and muscle
    assert sum(path.stat().st_size for path in cache.glob("scores-*")) == 32 * (planned * (1 + 2 * 3) + n_parts)
    assert (folder / "report.html").is_file()
    assert (folder / "predictions.parquet").is_file()

    # the same numbers from everywhere
    cohort = names["cohort"]
    table = names["predictions"].table
    hosted = table[table["predictor"].astype(str) == "alphagenome"].pivot(
        index="gene_id", columns="individual", values="prediction"
    )
    gene, people = cohort.genes[0], list(cohort.individuals)
    wanted = hosted.loc[gene.gene_id, people].to_numpy()
    assert np.ptp(wanted) > 0
    for name in ["alphagenome", "local", "mine", *(["ported"] if HAS_TORCH else [])]:
        assert names[name].predict(gene, cohort.genome, people).values.tolist() == wanted.tolist(), name
    assert calls[-1] == server.calls["PredictSequence"]


def test_the_numbers_are_those_of_the_study() -> None:
    study = (ROOT / "validation" / "alphagenome_plan.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in study.splitlines()
        if re.match(r"\| (131,072|1,048,576) bp", line)
    ]
    measured = [(row[2].split()[0], row[4].split()[0]) for row in rows]
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"^\|.*?\|.*?\| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    assert shown == measured[:8]
    for share, calls in ((56, measured[0][0]), (82, measured[2][0]), (90, measured[2][1])):
        assert round(100 * (1 - int(calls) / 1906)) == share
        assert f"{share} %" in text
        assert f"{calls},000" in text
    alleles, distinct = measured[8][1], measured[8][0]
    assert f"{alleles} alleles in 131 kb and {distinct} distinct" in text
    assert f"{measured[16][1]} and {measured[16][0]}." in text
    consent = (ROOT / "docs" / "explanation" / "consent.md").read_text(encoding="utf-8")
    assert f"1,906 haplotypes of 1 Mb, {measured[4][0]} are different" in consent
