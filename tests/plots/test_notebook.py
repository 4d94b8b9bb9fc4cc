"""Figures and tables in a real Jupyter kernel, without ``%matplotlib inline``."""

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
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sys.argv[1:]])
manager = AsyncKernelManager()
manager.kernel_spec.argv[0] = sys.executable
NotebookClient(notebook, timeout=120, km=manager).execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""


TABLE = """
from pgxeval.view import Column, TableView
columns = (Column(title="name", cells=["<b>"], numeric=False),)
TableView(title="A title", columns=columns, legend=("A code",), table=genes)
"""


def test_axes_and_tables_as_the_last_line_of_a_cell_are_displayed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, CELL, TABLE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # a first run of matplotlib or numba may write to stderr of the cell as well
    drawn, table = ([one for one in cell if "data" in one] for cell in json.loads(done.stdout.splitlines()[-1]))
    assert len(drawn) == len(table) == 1
    assert base64.b64decode(drawn[0]["data"]["image/png"]).startswith(b"\x89PNG")
    assert "<strong>A title</strong>" in table[0]["data"]["text/html"]
    assert "&lt;b&gt;" in table[0]["data"]["text/html"]
    assert table[0]["data"]["text/plain"] == "A title\n\nname\n────\n<b>\n\nA code"
