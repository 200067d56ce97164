import hyperspy.api as hs
import numpy as np
import pytest
from matplotlib import pyplot as plt

from hyperspy_stem_enhance.noise import (
    PUBLISHED_PARAMETERS,
    HRTEMNoiseParameters,
    calibrate_image,
    parameter_names,
)
from hyperspy_stem_enhance.simulate.noise import frame_noise_from

TRUE = PUBLISHED_PARAMETERS["HRTEM"]
QUIET = {"show_progressbar": False}


@pytest.fixture(scope="module")
def frames():
    y, x = np.mgrid[:128, :128]
    lattice = 8 + 9 * (np.cos((x + 0.3 * y) / 3.4) * np.cos((y - 0.3 * x) / 3.6)) ** 2
    lattice[:40] = 9.0
    lattice[100:] = 16.0
    noise = frame_noise_from(TRUE)
    return np.stack([noise.apply(np.random.default_rng(i), lattice) for i in range(4)])


@pytest.fixture
def images(frames):
    s = hs.signals.Signal2D(frames.copy())
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    s.metadata.General.title = "movie"
    return s


def test_movie(images, frames):
    cal = images.calibrate_noise("HRTEM", **QUIET)
    assert cal.mode == "HRTEM"
    table = cal.to_dataframe()
    assert list(table.columns[:5]) == list(parameter_names("HRTEM"))
    assert "column_snr" not in table
    assert len(table) == 4
    alone = calibrate_image(frames[2], "HRTEM").parameters
    assert cal.to_noise_parameters()[2] == alone
    assert isinstance(cal.summary().mean, HRTEMNoiseParameters)
    assert cal.summary().mean.column_sd == pytest.approx(TRUE.column_sd, rel=0.2)
    assert "column noise, SD" in cal._repr_html_()
    assert cal.standard_errors().column_sd.notna().all()
    assert (cal.reasons().column_sd == "").all()


def test_lazy_is_eager(images):
    eager = images.calibrate_noise("HRTEM", **QUIET)
    lazy = images.as_lazy().calibrate_noise("HRTEM", **QUIET)
    assert lazy._lazy
    lazy.compute(show_progressbar=False)
    np.testing.assert_array_equal(lazy.data, eager.data)
    assert lazy.mode == "HRTEM"


def test_a_bad_frame_has_a_row_of_nan(images):
    images.data[1] = 7.0
    with pytest.warns(UserWarning, match="1"):
        cal = images.calibrate_noise("HRTEM", **QUIET)
    assert np.isnan(cal.data[1]).all()
    assert cal.reasons().column_sd[1].startswith("the image could not be used")
    assert cal.summary().counts["column_sd"] == 3


def test_areas_as_a_mask(images):
    mask = np.zeros((128, 128), bool)
    mask[2:38], mask[102:126] = True, True
    cal = images.calibrate_noise("HRTEM", atom_free=mask, **QUIET)
    assert np.asarray(cal.metadata.STEM_enhance.calibrate_noise.atom_free).max() == 2
    for parameters in cal.to_noise_parameters():
        for intensity in (9, 16):
            sd = parameters.pointwise_slope * intensity + parameters.pointwise_intercept
            assert sd == pytest.approx(0.0354 * intensity + 1.394, rel=0.1)
    as_signal = hs.signals.Signal2D(mask)
    again = images.calibrate_noise("HRTEM", atom_free=as_signal, **QUIET)
    np.testing.assert_array_equal(again.data, cal.data)


def test_areas_as_regions_of_interest(images):
    rois = [
        hs.roi.RectangularROI(left=0, right=2.56, top=0.04, bottom=0.76),
        hs.roi.RectangularROI(left=0, right=2.56, top=2.04, bottom=2.52),
    ]
    labels = np.zeros((128, 128), int)
    labels[2:38], labels[102:126] = 1, 2
    found = images.calibrate_noise("HRTEM", atom_free=rois, **QUIET)
    expected = images.calibrate_noise("HRTEM", atom_free=labels, **QUIET)
    np.testing.assert_array_equal(found.data, expected.data)
    one = images.calibrate_noise("HRTEM", atom_free=rois[0], **QUIET)
    assert np.isnan(one.to_dataframe().pointwise_slope).all()


def test_saved_with_curves_and_areas(images, tmp_path):
    mask = np.zeros((128, 128), bool)
    mask[2:38], mask[102:126] = True, True
    cal = images.inav[0].calibrate_noise("HRTEM", atom_free=mask, **QUIET)
    cal.save(tmp_path / "noise.hspy")
    loaded = hs.load(tmp_path / "noise.hspy")
    assert loaded.mode == "HRTEM"
    np.testing.assert_array_equal(loaded.data, cal.data)
    assert str(loaded.summary()) == str(cal.summary())
    axes = loaded.plot()
    assert len(axes[0].lines[0].get_xdata()) == 128  # the offsets of the columns
    assert len(axes[1].collections[0].get_offsets()) == 4  # cells of the areas
    again = cal.plot(images.inav[0])
    np.testing.assert_array_equal(
        again[1].collections[0].get_offsets(), axes[1].collections[0].get_offsets()
    )
    plt.close("all")


def test_plot_of_a_movie(images):
    cal = images.calibrate_noise("HRTEM", **QUIET)
    assert len(cal.plot()[0].lines) == 4  # empty: nothing was kept
    assert len(cal.plot(images)[0].lines[0].get_xdata()) == 128
    plt.close("all")


def test_counted_electrons_go_to_the_variance_model(rng):
    y, x = np.mgrid[:192, :192]
    lattice = 20 + 30 * (np.cos((x + 0.3 * y) / 3.4) * np.cos((y - 0.3 * x) / 3.6)) ** 2
    s = hs.signals.Signal2D(rng.poisson(lattice))
    s.calibrate_noise("HRTEM", **QUIET)
    model = s.metadata.Signal.Noise_properties.Variance_linear_model
    assert model.gain_factor == pytest.approx(1, rel=0.2)


def test_parameters_alone():
    from hyperspy_stem_enhance import NoiseCalibration

    cal = NoiseCalibration.from_array(np.ones((3, 5)), mode="HRTEM")
    assert cal.to_dataframe().column_sd.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="5 parameters intensity_min"):
        NoiseCalibration.from_array(np.ones((3, 8)), mode="HRTEM")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "paper"}, ValueError, "method='paper' is for scanned images"),
        ({"atom_free": np.ones((4, 4), bool)}, ValueError, r"shape \(4, 4\)"),
        ({"atom_free": np.zeros((128, 128), bool)}, ValueError, "marks no pixel"),
        ({"atom_free": np.ones((128, 128))}, TypeError, "dtype float64"),
        ({"mode": "BF", "atom_free": 1}, ValueError, "atom_free is given for mode"),
        ({"mode": "TEM"}, ValueError, "'HRTEM' for images of a camera"),
    ],
)
def test_what_is_refused(images, options, error, match):
    with pytest.raises(error, match=match):
        images.calibrate_noise(**{"mode": "HRTEM", **options, **QUIET})
