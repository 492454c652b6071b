"""What a run of the benchmarks says of rows that meet their target and of rows that don't."""

import importlib
import os
from types import SimpleNamespace

import pytest


@pytest.fixture
def main(monkeypatch):
    """The module, with rates in place of measurements. Its import drops variables of OpenBLAS: monkeypatch brings them back."""
    for name in {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(os.environ):
        monkeypatch.setenv(name, os.environ[name])
    module = importlib.import_module("benchmarks.__main__")
    monkeypatch.setattr(module.machine, "copy_rate", lambda: 1e10)
    monkeypatch.setattr(module.machine, "tanh_time", lambda: 1e-9)
    monkeypatch.setattr(module.machine, "sgemm_rate", lambda m, k, n: 1e11)
    return module


@pytest.fixture
def rows(main):
    return [
        main.Row("sums", "NumPy", 5.0, 4, "1 ms against 5 ms", "Memory: 3 GB/s."),
        main.Row("products", "NumPy", 3.9, 4, "1 ms against 3.9 ms", "Arithmetic."),
        main.Row("sorting", "NumPy", 0.5, None, "2 ms against 1 ms"),
    ]


def test_a_row_below_its_target_is_marked(main, rows):
    page = main._page(rows)
    lines = [line for line in page.splitlines() if "| NumPy |" in line]
    assert [line.split(" | ")[4] for line in lines] == ["met", "**falls short**", ""]
    assert "1 of 2 rows with a target meet it." in page
    assert "- **sums.** Memory: 3 GB/s." in page
    assert "**sorting.**" not in page


def test_a_ratio_that_is_no_number_falls_short(main, rows):
    assert main.verdict(rows[0]._replace(ratio=float("nan"))) == "**falls short**"


def test_a_whole_run_is_kept_and_says_what_falls_short(main, rows, monkeypatch, tmp_path, capsys):
    measured = {"benchmarks.bench_sums": rows[:1], "benchmarks.bench_products": rows[1:]}
    for name in ("sums", "products"):
        (tmp_path / f"bench_{name}.py").touch()
    monkeypatch.setattr(main, "HERE", tmp_path)
    stand_in = SimpleNamespace(import_module=lambda name: SimpleNamespace(rows=lambda: measured[name]))
    monkeypatch.setattr(main, "importlib", stand_in)
    monkeypatch.setattr(main.sys, "argv", ["benchmarks", "sums"])
    assert main.main() == 0
    assert not (tmp_path / "results.md").exists()
    monkeypatch.setattr(main.sys, "argv", ["benchmarks"])
    assert main.main() == 1
    assert "falls short: products: 3.90, needed 4.00" in capsys.readouterr().err
    assert "**falls short**" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_an_unknown_name_is_refused(main, monkeypatch, capsys):
    monkeypatch.setattr(main.sys, "argv", ["benchmarks", "no_such"])
    with pytest.raises(SystemExit):
        main.main()
    assert "got no_such" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.0123, "12.3 ms"), (4.5e-5, "45 µs"), (7e-9, "7 ns")]
)
def test_durations(main, seconds, text):
    assert importlib.import_module("benchmarks.timing").duration(seconds) == text
