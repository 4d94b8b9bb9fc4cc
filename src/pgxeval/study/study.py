"""Study: the tables of a whole study, its findings, and its folder."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import attrs
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.evaluation import Evaluation
from pgxeval.provenance import __version__
from pgxeval.study.finding import Finding
from pgxeval.study.findings import find_answers
from pgxeval.study.methods import methods_text
from pgxeval.study.results import TABLES, StudyEvaluation, StudyResults
from pgxeval.tables.writing import make_folder, whole_file

_FORMAT = "pgxeval study 1"
_SETTINGS, _METHODS, _EVALUATION, _TABLES = "study.json", "methods.md", "evaluation", "tables"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Study(StudyResults):
    """All results of a study, as `run_study` returns them: its tables (those of `StudyResults`), answers and folder.

    Undefined is NaN with a reason; what was excluded or failed is counted.
    """

    @property
    def answers(self) -> tuple[Finding, ...]:
        """The five questions in their order, each with its answer."""
        return find_answers(self)

    @property
    def findings(self) -> pd.DataFrame:
        """The five questions as a table: question, answer, quantity, value, low, high, n_pairs, statement, reason."""
        return pd.DataFrame([answer.row() for answer in self.answers])

    @property
    def methods(self) -> str:
        """Methods as text for a paper, with references, versions, counts and digests of files, in Markdown."""
        return methods_text(self)

    def to_html(self, path: str | os.PathLike[str], *, title: str | None = None, max_genes: int = 50) -> Path:
        """Write one self-contained HTML page that leads through the five questions; return its path.

        The arguments are those of `pgxeval.study.write_study_report`.
        """
        from pgxeval.study.report import write_study_report

        return write_study_report(self, path, title=title, max_genes=max_genes)

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write all tables as Parquet and TSV, the settings as JSON, and ``methods.md``.

        Values of individuals are not written. Other files in the folder, such as predictions, stay as they are.

        Raises
        ------
        InputFileError
            If the folder cannot be written.
        """
        folder = Path(folder).expanduser()
        make_folder(folder / _TABLES, "study")
        self.evaluation.write(folder / _EVALUATION)
        try:
            for name in TABLES:
                table = self.table(name)
                for kind in ("parquet", "tsv"):
                    with whole_file(folder / _TABLES / f"{name}.{kind}", sync=False) as file:
                        if kind == "parquet":
                            table.to_parquet(file, index=False)
                        else:
                            file.write(table.to_csv(sep="\t", index=False).encode())
            with whole_file(folder / _METHODS) as file:
                file.write(self.methods.encode())
            record = {"format": _FORMAT, "pgxeval": __version__, "settings": self.settings}
            with whole_file(folder / _SETTINGS) as file:
                file.write(json.dumps(record, indent=1, ensure_ascii=False).encode())
        except OSError as error:
            raise InputFileError(
                f"the study cannot be written to {folder}: {error.strerror or error}; choose a writable folder"
            ) from error
        return folder

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Study:
        """Read a study from the folder of `run_study` or `write`, without values of individuals.

        Raises
        ------
        InputFileError
            If the folder does not hold a complete study.
        """
        folder = Path(folder).expanduser()
        if not folder.exists():
            raise InputFileNotFoundError.of("study folder", folder, "run_study makes it")
        if not (folder / _SETTINGS).is_file():
            what = "a complete study" if (folder / "predictions").is_dir() else "a study"
            raise InputFileError(f"{folder} does not hold {what}; call run_study with this folder to complete it")
        try:
            record = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
            version, settings = record["format"], dict(record["settings"])
            tables = {name: pd.read_parquet(folder / _TABLES / f"{name}.parquet") for name in TABLES}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputFileError(
                f"{folder} does not hold a complete study ({type(error).__name__}: {error}); run_study completes it"
            ) from error
        if version != _FORMAT:
            raise InputFileError(
                f"{folder}: expected the format {_FORMAT!r}, got {version!r}; "
                "read it with the version of pgxeval that wrote it"
            )
        pairs, flips = tables.pop("pairs"), tables.pop("flips")
        evaluation = StudyEvaluation.of(Evaluation.read(folder / _EVALUATION), pairs, flips)
        return cls(evaluation=evaluation, settings=settings, cohorts=None, **tables)

    def __repr__(self) -> str:
        tissues, predictors = self.settings["tissues"], self.settings["kinds"]
        return (
            f"Study({len(tissues)} tissue(s), {len(predictors)} predictor(s), "
            f"{self.evaluation.settings['n_genes']:,} gene-tissue pairs)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(answer.question)}</td><td><b>{html.escape(answer.answer)}</b></td>"
            f"<td>{html.escape(answer.number_words())}</td></tr>"
            for answer in self.answers
        )
        return f"<p><b>{html.escape(repr(self))}</b></p><table>{rows}</table>"
