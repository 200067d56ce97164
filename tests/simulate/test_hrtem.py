import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.noise import (
    PUBLISHED_PARAMETERS,
    HRTEMNoiseParameters,
    NoiseParameters,
)
from hyperspy_stem_enhance.simulate import (
    add_noise,
    draw_recipe,
    draw_scene,
    frame_table,
    make_dataset,
)
from hyperspy_stem_enhance.simulate.hrtem import APPEARANCES
from hyperspy_stem_enhance.simulate.hrtem_noise import HRTEM_NOISE_KINDS
from hyperspy_stem_enhance.simulate.noise import TERMS
from hyperspy_stem_enhance.simulate.nuclei import HRTEM_ARRANGEMENTS

TRUE = PUBLISHED_PARAMETERS["HRTEM"]
QUIET = HRTEMNoiseParameters(10.0, 50.0, 0.0, 0.0, 1e-6)


def scenes(n, noise=QUIET, shape=(96, 112), **options):
    for index in range(n):
        scene = draw_scene(4, index, shape, "HRTEM", noise, **options)
        yield -1 if scene.recipe.appearance == "dark" else 1, scene


def test_frames_depend_on_seed_and_index_alone():
    first = draw_scene(1, 5, (96, 80), "HRTEM")
    draw_scene(1, 6, (96, 80), "HRTEM")
    again = draw_scene(1, 5, (96, 80), "HRTEM")
    np.testing.assert_array_equal(first.noisy, again.noisy)
    np.testing.assert_array_equal(first.columns, again.columns)
    assert not np.array_equal(first.noisy, draw_scene(2, 5, (96, 80), "HRTEM").noisy)


def test_noise_aside_a_frame_is_background_and_columns():
    for sign, scene in scenes(24):
        np.testing.assert_allclose(
            scene.noisy, scene.background + sign * scene.clean, atol=1e-3
        )
        assert scene.noisy.dtype == scene.clean.dtype == np.float32
        assert scene.noisy.shape == (96, 112)
        assert scene.clean.min() >= 0


def test_intensities_span_the_range():
    for _, scene in scenes(24, shape=(128, 128)):
        low, high = np.quantile(scene.noisy, [0.01, 0.99])
        assert low == pytest.approx(10, abs=2)
        assert high == pytest.approx(50, abs=2)


def test_frames_without_columns_have_any_contrast_down_to_none():
    recipes = [draw_recipe(0, i, "HRTEM", "published", "empty") for i in range(100)]
    ranges = [r.parameters.intensity_max - r.parameters.intensity_min for r in recipes]
    np.testing.assert_allclose(ranges, [r.contrast for r in recipes])
    full = TRUE.intensity_max - TRUE.intensity_min
    assert min(ranges) < 0.05 * full
    assert np.median(ranges) == pytest.approx(0.5 * full, rel=0.2)
    given = draw_recipe(0, 0, "HRTEM", TRUE, "empty")
    assert given.parameters == TRUE


def test_all_that_is_promised_is_drawn():
    recipes = [draw_recipe(0, index, "HRTEM") for index in range(200)]
    assert {recipe.arrangement for recipe in recipes} == set(HRTEM_ARRANGEMENTS)
    assert {recipe.appearance for recipe in recipes} == set(APPEARANCES)
    assert {recipe.kind for recipe in recipes} == set(HRTEM_NOISE_KINDS) - {"mixed"}
    assert all(r.parameters.intensity_min < r.parameters.intensity_max for r in recipes)


def test_columns_look_as_the_truth_says():
    """Alone, a column is a peak, or a dip, of the height and width of the truth."""
    seen = {name: [] for name in APPEARANCES}
    for sign, scene in scenes(60, shape=(160, 160), arrangement="disordered"):
        image = sign * (scene.background + sign * scene.clean)
        strong = scene.positions[scene.positions[:, 2] > 0]
        y, x, height, sigma = strong.T
        inside = (np.minimum(y, x) > 12) & (np.maximum(y, x) < 148)
        every = scene.positions[:, :2]
        inside &= cKDTree(every).query(strong[:, :2], k=2)[0][:, 1] > 4 * sigma
        centre = map_coordinates(image, [y[inside], x[inside]], order=1)
        away = [
            map_coordinates(
                image,
                [
                    y[inside] + 2 * sigma[inside] * np.sin(angle),
                    x[inside] + 2 * sigma[inside] * np.cos(angle),
                ],
                order=1,
            )
            for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False)
        ]
        if inside.any():
            rise = (centre - np.mean(away, 0)) / height[inside]
            seen[scene.recipe.appearance].append(np.median(rise))
    # a Gaussian falls by 0.86 over two SDs, one with dark rings by more
    assert np.median(seen["spots"]) == pytest.approx(0.85, abs=0.12)
    for name in ("bright", "dark"):
        assert 0.8 < np.median(seen[name]) < 1.5
        assert np.min(seen[name]) > 0.7


def test_published_noise_is_applied():
    _, scene = next(scenes(1, noise=TRUE, shape=(256, 256), terms=True))
    assert tuple(scene.terms) == TERMS
    assert scene.terms["column_offset"].std() == pytest.approx(0.61, rel=0.2)
    ideal = scene.noisy - sum(scene.terms.values())
    sd = TRUE.pointwise_slope * ideal + TRUE.pointwise_intercept
    assert (scene.terms["pointwise"] / sd).std() == pytest.approx(1, abs=0.02)


def test_low_dose_counts_electrons():
    for _, scene in scenes(8, noise="low-dose", terms=True):
        assert scene.terms["counting"].any()
        assert np.isfinite(scene.noise.electrons_per_unit)
        assert np.isnan(scene.recipe.parameters.pointwise_slope)


def test_true_scale():
    """Columns of Pt [001] stand 1.96 ångström apart."""
    scene = draw_scene(
        0, 0, (192, 192), "HRTEM", QUIET, "ordered", ["Pt [001]"], pixel_size=0.2
    )
    from scipy.spatial import cKDTree

    points = scene.positions[:, :2]
    distance = np.median(cKDTree(points).query(points, 2)[0][:, 1])
    assert distance * 0.2 == pytest.approx(3.924 / 2, rel=0.05)


def test_dataset_and_its_table(tmp_path):
    data = make_dataset((2, 3), (64, 72), "HRTEM", seed=3, show_progressbar=False)
    assert data.noisy.data.shape == (2, 3, 64, 72)
    assert data.noisy.metadata.General.title == "Simulated HRTEM"
    scene = draw_scene(3, 4, (64, 72), "HRTEM")
    np.testing.assert_array_equal(data.noisy.data[1, 1], scene.noisy)
    np.testing.assert_array_equal(data.positions.data[1, 1], scene.positions)
    table = data.to_dataframe()
    assert table.appearance[4] == scene.recipe.appearance
    assert table.intensity_max[4] == scene.recipe.parameters.intensity_max
    assert table.column_offset_sd[4] == scene.noise.column_offset_sd
    data.noisy.save(tmp_path / "noisy.hspy")
    assert frame_table(hs.load(tmp_path / "noisy.hspy")).equals(table)


def test_lazy_is_eager():
    options = {"shape": (64, 64), "mode": "HRTEM", "seed": 8, "show_progressbar": False}
    lazy = make_dataset(4, lazy=True, **options)
    assert lazy.noisy._lazy
    np.testing.assert_array_equal(
        lazy.noisy.data.compute(), make_dataset(4, **options).noisy.data
    )


def test_noise_of_a_calibration():
    s = make_dataset(3, (160, 160), "HRTEM", TRUE, seed=5, show_progressbar=False).noisy
    calibration = s.calibrate_noise("HRTEM", show_progressbar=False)
    again = make_dataset(
        4, (160, 160), "HRTEM", calibration, seed=6, show_progressbar=False
    )
    table = again.to_dataframe()
    assert table.column_offset_sd.mean() == pytest.approx(TRUE.column_sd, rel=0.3)
    assert (table.intensity_max - table.intensity_min).mean() == pytest.approx(
        9, rel=0.2
    )
    with pytest.raises(ValueError, match="calibration of mode 'HRTEM'"):
        make_dataset(1, (64, 64), "HAADF", calibration, show_progressbar=False)


def test_noise_is_added_to_any_signal():
    s = hs.signals.Signal2D(np.full((2, 128, 128), 12.0))
    noisy = add_noise(s, TRUE, show_progressbar=False)
    assert noisy.data.mean(1).std() == pytest.approx(TRUE.column_sd, rel=0.25)
    rows = add_noise(s, TRUE, fast_axis="y", show_progressbar=False)
    assert rows.data.mean(2).std() == pytest.approx(TRUE.column_sd, rel=0.25)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"noise": "scanning"}, "published, camera, low-dose, mixed"),
        ({"noise": PUBLISHED_PARAMETERS["BF"]}, "HRTEMNoiseParameters"),
        ({"arrangement": "wedge"}, "nuclei, disordered"),
    ],
)
def test_what_is_of_another_mode_is_refused(options, match):
    assert isinstance(PUBLISHED_PARAMETERS["BF"], NoiseParameters)
    with pytest.raises(ValueError, match=match):
        draw_scene(0, 0, (64, 64), "HRTEM", **options)


def test_only_numpy_and_scipy_are_needed():
    code = (
        "import sys\n"
        "from hyperspy_stem_enhance.simulate import draw_scene\n"
        "draw_scene(0, 0, (64, 64), 'HRTEM')\n"
        "loaded = {'hyperspy.signals', 'ase', 'abtem', 'torch', 'dask'}\n"
        "print(sorted(loaded & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
