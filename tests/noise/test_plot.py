import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.integrate import trapezoid

from hyperspy_stem_enhance.noise import calibrate_image
from hyperspy_stem_enhance.noise.plot import plot_calibration, tukey_lambda_density


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.14, 0.6, 1.0])
def test_density_has_unit_area_and_sd(shape):
    x = np.linspace(-60, 60, 200_001)
    density = tukey_lambda_density(x, shape)
    assert trapezoid(density, x) == pytest.approx(1, abs=0.001)
    assert trapezoid(density * x**2, x) == pytest.approx(1, abs=0.02)


def test_panels_show_points_lines_and_distribution(simulate):
    result = calibrate_image(simulate()[0])
    axes = plot_calibration([result], title="lattice")
    for ax, term in zip(axes, ("scan", "pointwise"), strict=False):
        curve = getattr(result, term)
        points = ax.collections[0].get_offsets()
        np.testing.assert_allclose(points, np.stack([curve.centres, curve.sd], 1))
        x, y = ax.lines[0].get_data()
        slope = getattr(result.parameters, f"{term}_slope")
        assert np.diff(y)[0] / np.diff(x)[0] == pytest.approx(slope)
    assert len(axes[2].lines) == len(axes[2].patches) == 1
    assert axes[0].figure.get_suptitle() == "lattice"


def test_several_images_have_a_mean_line(simulate):
    results = [calibrate_image(simulate(seed=seed)[0]) for seed in (0, 1)]
    axes = plot_calibration(results)
    assert len(axes[1].lines) == 3
    slopes = [r.parameters.pointwise_slope for r in results]
    x, y = axes[1].lines[-1].get_data()
    assert np.diff(y)[0] / np.diff(x)[0] == pytest.approx(np.mean(slopes))


def test_reason_is_written_where_there_is_no_line(rng):
    result = calibrate_image(rng.normal(100, 10, (128, 128)))
    axes = plot_calibration([result])
    assert not axes[1].lines
    assert "pointwise_slope is NaN" in axes[1].texts[0].get_text()


def test_constant_image_can_be_plotted():
    axes = plot_calibration([calibrate_image(np.ones((32, 32)))])
    assert "constant" in axes[2].texts[0].get_text()
