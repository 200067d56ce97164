import json

import column_table
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.column_fit import sum_gaussians
from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals
from hyperspy_stem_enhance.simulate.projection import project


@pytest.fixture
def calls(monkeypatch):
    """Gaussians in place of multislice, and what was asked of it."""
    made = []

    def simulate_image(atoms, zone_axis, conditions, displacements, seed):
        seen = project(atoms, zone_axis)
        made.append((str(atoms.symbols), conditions.inner, seed))
        strong = np.linspace(1, 0.5, len(seen.columns))
        image = sum_gaussians(
            (16, 14), seen.cell, seen.sites, strong, 0.45 + 0 * strong
        )
        return 3 - image if conditions.inner == 0 else image, seen

    monkeypatch.setattr(column_table, "simulate_image", simulate_image)
    abtem = type("abtem", (), {"__version__": "1.0"})
    monkeypatch.setattr(column_table, "import_abtem", lambda: abtem)
    return made


def test_table_holds_what_was_fitted(calls, tmp_path):
    path = tmp_path / "table.json"
    lines = []
    column_table.make_table(path, 3, names=["SrTiO3 [110]"], report=lines.append)
    table = json.loads(path.read_text("utf-8"))
    entry = table["structures"]["SrTiO3 [110]"]
    assert entry["columns"] == ["Sr O", "Ti", "O O"]
    for mode in ("HAADF", "BF"):
        np.testing.assert_allclose(entry[mode]["heights"], [1, 0.75, 0.5], atol=0.03)
        np.testing.assert_allclose(entry[mode]["widths"], 0.45, atol=0.02)
        assert entry[mode]["seed"] == 3
    assert table["abtem"] == "1.0"
    assert table["conditions"]["BF"]["outer"] == 12
    assert len(lines) == len(calls) == 2


def test_an_interrupted_run_goes_on(calls, tmp_path):
    path = tmp_path / "table.json"
    column_table.main(["--out", str(path), "Pt [001]"])
    column_table.main(["--out", str(path), "Pt [001]", "Pt [110]"])
    assert len(calls) == 4
    column_table.main(["--out", str(path), "--again", "Pt [001]"])
    assert len(calls) == 6


def test_other_conditions_start_anew(calls, tmp_path):
    path = tmp_path / "table.json"
    column_table.main(["--out", str(path), "Pt [001]"])
    table = json.loads(path.read_text("utf-8"))
    table["conditions"]["BF"]["defocus"] = 0
    path.write_text(json.dumps(table), "utf-8")
    column_table.main(["--out", str(path), "Pt [001]"])
    assert len(calls) == 4


def test_unknown_structure_is_named(calls, capsys):
    with pytest.raises(SystemExit):
        column_table.main(["Unobtainium [001]"])
    assert "Unobtainium" in capsys.readouterr().err


def test_heights_are_averaged_over_columns_made_equal_by_symmetry():
    crystal = tabulated_crystals()["SrTiO3 [001]"]
    seen = project(crystal.atoms, crystal.zone_axis)
    averaged = column_table.average_alike(seen, np.array([1.0, 0.5, 0.2, 0.1]))
    np.testing.assert_allclose(averaged, [1, 0.5, 0.15, 0.15])


def test_many_columns_need_fewer_configurations():
    entry = column_table._describe(tabulated_crystals()["Sb2Se3 [001]"])
    assert column_table._conditions_of(entry, "HAADF").configurations == 2
