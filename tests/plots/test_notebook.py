"""Figures in a real Jupyter kernel, without ``%matplotlib inline``."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="needs a Jupyter kernel")
pytest.importorskip("nbclient", reason="needs nbclient")

CELL = """
import pandas as pd
from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
genes = pd.DataFrame({"predictor": ["a", "b"], "gene_id": "G", "correlation": [0.1, 0.2], "direction": 1})
shares = pd.DataFrame({"predictor": ["a", "b"], "stratum": "all", "share_right": 0.5, "reference_share": 0.5})
empty = pd.DataFrame({"gene_id": [], "stratum": []}, dtype="str")
evaluation = Evaluation(per_gene=genes, summary=shares, concordance=empty, comparison=empty, strata=empty,
                        exclusions=empty, settings={})
plots.correlation_distribution(evaluation)
"""

# client and kernel are separate processes, so their warnings and sockets do not affect the tests
CLIENT = """
import json, sys
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.argv[1])])
manager = AsyncKernelManager()
manager.kernel_spec.argv[0] = sys.executable
NotebookClient(notebook, timeout=120, km=manager).execute()
print(json.dumps(notebook.cells[0].outputs))
"""


def test_an_axes_as_the_last_line_of_a_cell_is_displayed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, CELL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # a first run of matplotlib or numba may write to stderr of the cell as well
    (output,) = [one for one in json.loads(done.stdout.splitlines()[-1]) if "data" in one]
    assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")
