"""A failing, verbose run leaves neither the key nor a piece of anybody's sequence behind, wherever one looks."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")

KEY = "AIzaSyTheSecretThatMustNotBeSeen0123456789"
OTHER_KEY = "AIzaSyAnExpiredKeyWhichIsSecretToo9876543"

PIECE_BP = 20

# Runs with everything verbose that can be; prints, pickles and writes whatever it can reach.
RUN = """
    import json, logging, os, pickle, sys, traceback, warnings
    from pathlib import Path

    logging.basicConfig(level=logging.DEBUG)
    warnings.simplefilter("always")

    try:
        import cloudpickle
    except ImportError:
        from joblib.externals import cloudpickle
    import pgxeval
    from pgxeval.predictors.alphagenome import client as alphagenome_client
    from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
    from pgxeval.testing import AlphaGenomeServer, random_faults

    folder, key, other_key, spent = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    sys.argv[2:4] = []
    alphagenome_client._CONNECT_S = 0.5
    cohort = pickle.loads((folder / "cohort.pickle").read_bytes())
    genes, genome, individuals = list(cohort.genes), cohort.genome, list(cohort.individuals)
    n_files = 0

    def keep(name, content):
        global n_files
        n_files += 1
        content = content if isinstance(content, bytes) else content.encode()
        (folder / "left" / f"{n_files:03d}-{name}").write_bytes(content)

    def describe(what, seen, depth=0):
        '''repr and str of whatever of ours can be reached.'''
        if id(what) in seen or depth > 8 or not type(what).__module__.startswith("pgxeval.predictors"):
            return []
        seen.add(id(what))
        held = list(getattr(what, "__dict__", {}).values())
        held += [getattr(what, slot, None) for slot in getattr(type(what), "__slots__", ())]
        held += [inner for one in held if isinstance(one, (list, tuple, set)) for inner in one]
        held += [inner for one in held if isinstance(one, dict) for inner in one.values()]
        plain = [one for one in held if not type(one).__module__.startswith("pgxeval")]
        lines = [repr(what), str(what), *map(repr, plain), *map(str, plain)]
        return lines + [line for one in held for line in describe(one, seen, depth + 1)]

    def note(error, ways):
        '''Everything that an error can be asked for.'''
        seen, waiting = set(), [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__]
            keep("error.txt", f"{one!r} {one} {one.args!r} {vars(one)!r}")
            for locals_ in ways:
                trace = traceback.TracebackException.from_exception(one, capture_locals=locals_)
                keep("trace.txt", "".join(trace.format()))
            traceback.print_exception(one)
            logging.getLogger("user").exception("failed", exc_info=one)
            try:
                keep("error.pickle", pickle.dumps(one))
            except Exception as refusal:
                keep("refusal.txt", repr(refusal))

    def attempt(make, work, ways=(False, True)):
        predictor = None
        try:
            predictor = make()
            predictor.model._calls._wait_scale = 0.002
            predictor.model._calls.pacer._period_s = 0.1
            work(predictor)
        except Exception as error:
            note(error, ways)
            del error
        for what in (predictor, getattr(predictor, "model", None), getattr(predictor, "settings", None)):
            keep("repr.txt", f"{what!r} {what}")
            if hasattr(what, "_repr_html_"):
                keep("repr.html", what._repr_html_())
            for pickler in (pickle, cloudpickle):
                try:
                    keep("object.pickle", pickler.dumps(what))
                except Exception as error:
                    note(error, ways)
        if predictor is not None:
            keep("reachable.txt", "\\n".join(describe(predictor, set())))
            keep("settings.json", json.dumps(predictor.settings))

    def predict(predictor):
        print(predictor.plan(cohort, min_maf=[0.1], calls_per_minute=60))
        keep("plan.html", predictor.plan(cohort)._repr_html_())
        predictions = pgxeval.predict_cohort(cohort, [predictor], progress=True)
        predictions.write(folder / "left" / f"predictions-{n_files}")
        print(predictions, predictions.table.to_string(), predictions.settings)
        keep("predictions.pickle", pickle.dumps(predictions))

    def leave(predictor):
        '''Stop in the middle, by an error of the user's.'''
        for _ in predictor.predict_genes(genes, genome, individuals):
            raise RuntimeError("the user's own")

    def fail_with_the_key():
        raise ValueError(f"vault says that {key} is locked")

    class Vault:
        def __init__(self):
            self.key = key

        def __call__(self):
            return self.key

    def one_of(server, **more):
        settings = {"tissue": "Whole_Blood", "context_length": 16_384, "allow_remote": True, "deadline_s": 0.5, **more}
        return lambda: AlphaGenomePredictor.hosted(address=server.address, **settings)

    def words(every):
        return lambda digest, attempt: every

    os.environ["PGXEVAL_CACHE"] = str(folder / "left" / "cache")
    os.environ["ALPHAGENOME_API_KEY"] = key
    if spent == "1":
        with AlphaGenomeServer(api_key=key, hang_s=5.0, faults=random_faults(0.5, 0.5, seed=3)) as server:
            attempt(one_of(server), predict)
            attempt(one_of(server, key=lambda: key), leave)
            attempt(one_of(server, key=Vault(), mode="additive"), predict)
            client = server.client(key)
            settings = {"tissue": "Liver", "context_length": 16_384}
            for consent in (False, True):
                attempt(lambda: AlphaGenomePredictor(client, allow_remote=consent, **settings), predict)
            assert set(server.seen_keys) == {key}
            server.expire_key_after(0)
            attempt(one_of(server, readout="tss"), predict)
        attempt(one_of(server), predict)  # gone
    else:
        for fault in ("INTERNAL", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAVAILABLE", "truncate", "nan"):
            with AlphaGenomeServer(faults=words(fault)) as server:
                attempt(one_of(server), predict)
        with AlphaGenomeServer(api_key=key) as server:
            attempt(one_of(server, key=fail_with_the_key), predict)
            attempt(one_of(server, key=lambda: None), predict)
            attempt(one_of(server, key=key), predict, ways=(False,))  # what a user typed is in his own frames
            attempt(one_of(server, key=lambda: other_key), predict)
            server.expire_key_after(4)
            attempt(one_of(server), predict)
    print("done")
"""


def pieces(text: str) -> set[str]:
    return {text[at : at + PIECE_BP] for at in range(len(text) - PIECE_BP + 1)}


def found_in(content: str, known: set[str]) -> list[str]:
    """Pieces of sequences in a text, in either case; stretches of the alphabet are looked up, not each text."""
    hits = []
    for stretch in re.findall(rf"[ACGTNacgtn]{{{PIECE_BP},}}", content):
        hits += sorted(pieces(stretch.upper()) & known)
    return hits


@pytest.mark.parametrize("part", ["1", "2"])
def test_neither_key_nor_sequence_is_left_behind(
    tmp_path: Path, toys: ModuleType, world: ModuleType, part: str
) -> None:
    small = world.make_world(toys, tmp_path / "files")
    cohort = world.make_cohort(small, [world.gene("plus"), world.gene("minus", "-")])
    (tmp_path / "run" / "left").mkdir(parents=True)
    (tmp_path / "run" / "cohort.pickle").write_bytes(pickle.dumps(cohort))
    environment = {
        **os.environ, "TMPDIR": str(tmp_path / "run" / "left"), "HOME": str(tmp_path / "run" / "left"),
        "PYTHONFAULTHANDLER": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(RUN), str(tmp_path / "run"), KEY, OTHER_KEY, part],
        capture_output=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.stdout.decode().endswith("done\n"), done.stderr.decode()[-3_000:]
    left = {"stdout": done.stdout, "stderr": done.stderr}
    for path in sorted((tmp_path / "run" / "left").rglob("*")):
        left[str(path.relative_to(tmp_path))] = path.read_bytes() if path.is_file() else b""
    assert len(left) > 50
    everything = b"".join(left.values())
    assert b"RemoteServiceError" in everything  # it did fail, and say so
    assert b"AlphaGenome failed for the sequence" in everything or part == "2"
    known: set[str] = set()
    for individual in small.individuals:
        for records in world.copies(small, individual):
            text, _ = world.haplotype(small.reference["chr1"], records)
            known |= pieces(text) | pieces(text.translate(world.COMPLEMENT)[::-1])
    for name, content in left.items():
        for secret in (KEY, OTHER_KEY):
            for form in (
                secret.encode(),
                secret[10:].encode(),
                secret.encode("utf-16-le"),
                secret.encode().hex().encode(),
            ):
                assert form not in content, f"a key is in {name}"
        assert not found_in(content.decode("latin-1"), known), f"a piece of a sequence is in {name}"


def test_the_search_would_find_them(world: ModuleType, toys: ModuleType, tmp_path: Path) -> None:
    small = world.make_world(toys, tmp_path)
    text, _ = world.haplotype(small.reference["chr1"], [])
    known = pieces(text)
    assert found_in(f"cannot predict {text[100:121].lower()} for", known)
    assert not found_in(f"cannot predict {text[100:119]}", known)
