"""HRTEM images: enhanced by SCGN, and their columns found."""

import dask
import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance import models
from hyperspy_stem_enhance.models import registry
from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect
from hyperspy_stem_enhance.simulate import draw_scene
from hyperspy_stem_enhance.steps import Detection, Enhancement


@pytest.fixture
def movie():
    """Three simulated frames with the published noise."""
    data = hse.simulate.make_dataset(3, (48, 56), "HRTEM", "published", seed=2)
    return data.noisy


def turned_over(signal):
    """The same with dark columns."""
    return signal._deepcopy_with_new_data(100 - signal.data)


def columns_in_column_noise(rng, spacing=14, shape=(98, 112)):
    """Weak columns of atoms where columns of pixels have strong offsets."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    rows, columns = (np.arange(spacing / 2, n, spacing) for n in shape)
    image = 100 + rng.normal(0, 1.0, shape) + rng.normal(0, 6.0, shape[1])
    true = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    for row, column in true:
        image += 30 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 2.5**2))
    return image, true


@pytest.mark.usefixtures("small_scgn")
class TestEnhanced:
    @pytest.mark.parametrize("chunks", [(1, 48, 56), (3, 20, 30)])
    def test_eager_equals_lazy_in_any_chunking(self, movie, chunks):
        lazy = movie.as_lazy()
        lazy.data = lazy.data.rechunk(chunks)
        options = {"contrast": "dark", "keep_background": True}
        expected, result = (s.enhance_scgn(**options) for s in (movie, lazy))
        assert result._lazy
        tolerance = 1e-5 * np.ptp(expected.data)
        np.testing.assert_allclose(result.data, expected.data, atol=tolerance)

    def test_record(self, movie, small_scgn):
        e = movie.enhance_scgn(contrast="dark")
        assert e.metadata.STEM_enhance.enhance_scgn.as_dictionary() == {
            "model": small_scgn,
            "weights_sha256": models.weights_sha256(small_scgn),
            "mode": "HRTEM",
            "contrast": "dark",
            "neighbours": 0,
            "output": "enhanced",
            "keep_background": False,
            "allow_negative": False,
            "scale": "auto",
            "self_ensemble": False,
            "version": hse.__version__,
        }
        assert e.metadata.General.title == movie.metadata.General.title

    @pytest.mark.parametrize("chunks", [(1, 48, 56), (2, 20, 30)])
    def test_neighbours(self, movie, chunks):
        """The ends have one neighbour, the frame between them two."""
        means = np.stack([movie.data[:2].mean(0), movie.data.mean(0)])
        expected = movie.inav[:2]._deepcopy_with_new_data(means).enhance_scgn()
        eager = movie.enhance_scgn(neighbours=1)
        lazy = movie.as_lazy()
        lazy.data = lazy.data.rechunk(chunks)
        result = lazy.enhance_scgn(neighbours=1)
        assert result._lazy
        tolerance = 1e-4 * np.ptp(expected.data)
        np.testing.assert_allclose(eager.data[:2], expected.data, atol=tolerance)
        np.testing.assert_allclose(result.data, eager.data, atol=tolerance)
        assert eager.metadata.STEM_enhance.enhance_scgn.neighbours == 1
        assert eager.data.shape == movie.data.shape

    def test_neighbours_of_a_bad_frame(self, movie):
        movie.data[1] = np.nan
        with pytest.warns(UserWarning, match=r"inav\[1\] cannot be used"):
            found = movie.enhance_scgn(neighbours=1).data
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[::2]).all()

    @pytest.mark.parametrize("value", [-1, 1.5, True, "2"])
    def test_neighbours_that_cannot_be(self, movie, value):
        with pytest.raises(ValueError, match=f"neighbours={value!r} is not a number"):
            movie.enhance_scgn(neighbours=value)
        with pytest.raises(ValueError, match="needs a series"):
            movie.inav[0].enhance_scgn(neighbours=1)

    def test_inplace(self, movie):
        expected = movie.enhance_scgn()
        assert movie.enhance_scgn(inplace=True) is None
        np.testing.assert_array_equal(movie.data, expected.data)

    @pytest.mark.parametrize("output", ["enhanced", "super-resolution", "detection"])
    def test_dark_columns_are_bright_ones_turned_over(self, movie, output):
        bright = movie.enhance_scgn(output=output).data
        dark = turned_over(movie).enhance_scgn(contrast="dark", output=output).data
        np.testing.assert_allclose(dark, bright, atol=1e-4 * np.ptp(bright))
        wrong = turned_over(movie).enhance_scgn(output=output).data
        assert np.abs(wrong - bright).max() > 0.01 * np.ptp(bright)

    @pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
    def test_background_comes_back_as_it_was(self, movie, dtype):
        data = (200 - 5 * movie.data).clip(0, 255).astype(dtype)
        dark = movie._deepcopy_with_new_data(data)
        kept = dark.enhance_scgn(contrast="dark", keep_background=True).data
        assert abs(np.mean(kept) - np.mean(data)) < 0.05 * np.mean(data)
        bright = movie._deepcopy_with_new_data(255 - data)
        expected = bright.enhance_scgn(keep_background=True).data
        np.testing.assert_allclose(255 - kept, expected, atol=1e-3 * np.ptp(expected))

    def test_enhanced_images_are_not_enhanced_again(self, movie, monkeypatch):
        e = movie.enhance_scgn()
        monkeypatch.setattr(registry, "load_for_use", None)
        assert e.detect_atoms().data.shape == (3,)

    def test_one_run_of_the_network_for_both(self, movie):
        settings = {"model": "auto", "mode": "HRTEM", "device": "cpu", "scale": 1}
        settings["contrast"] = "dark"
        lazy = movie.as_lazy()
        enhanced, atoms = enhance_and_detect(
            lazy, Enhancement(**settings), Detection("HRTEM", "dark")
        )
        images, tables = dask.compute(enhanced.data, atoms.data)
        del settings["mode"]
        expected = movie.enhance_scgn(**settings)
        np.testing.assert_allclose(images, expected.data, rtol=1e-4, atol=1e-3)
        columns = movie.detect_atoms(mode="HRTEM", **settings)
        for found, table in zip(tables.ravel(), columns.data.ravel(), strict=True):
            np.testing.assert_allclose(found, table, rtol=1e-4, atol=1e-3)

    def test_report_of_what_was_removed(self, movie):
        s = movie.inav[0]
        report = s.residual_report(s.enhance_scgn())
        dark = turned_over(s)
        other = dark.residual_report(dark.enhance_scgn(contrast="dark"))
        assert "correlation of columns" in report.summary()
        assert other.structure_slope == pytest.approx(report.structure_slope, abs=1e-3)
        assert other.sd == pytest.approx(report.sd, rel=1e-3)

    def test_one_bad_frame_does_not_lose_the_others(self, movie):
        expected = movie.enhance_scgn().data
        movie.data[1] = np.nan
        with pytest.warns(UserWarning, match=r"inav\[1\] cannot be used"):
            found = movie.enhance_scgn().data
        assert np.isnan(found[1]).all()
        np.testing.assert_allclose(found[::2], expected[::2], rtol=1e-5)

    def test_column_noise_tells_no_scale(self):
        """Its power, all in one line of the spectrum, is no lattice."""
        scene = draw_scene(82002, 1, (256, 256), "HRTEM", "published", "disordered")
        s = hs.signals.Signal2D(scene.noisy)
        options = {"contrast": "bright", "allow_negative": True}
        with pytest.warns(UserWarning, match="neither a lattice that shows"):
            found = s.enhance_scgn(**options)
        expected = s.enhance_scgn(scale=1, **options)
        np.testing.assert_array_equal(found.data, expected.data)

    def test_unknown_contrast(self, movie):
        for method in (movie.enhance_scgn, movie.detect_atoms):
            mode = {"mode": "HRTEM"} if method == movie.detect_atoms else {}
            with pytest.raises(ValueError, match="contrast='black' is unknown"):
                method(contrast="black", **mode)

    def test_models_are_not_mixed_up(self, movie, small_scgn):
        with pytest.raises(
            ValueError, match="serves HAADF, BF: use it by `enhance_sfin`"
        ):
            movie.enhance_scgn(model="sfin-fast")
        with pytest.raises(ValueError, match="serves HRTEM: use it by `enhance_scgn`"):
            movie.enhance_sfin(model=small_scgn)
        with pytest.raises(ValueError, match="use `enhance_scgn`"):
            movie.enhance_sfin(mode="HRTEM")


def test_contrast_is_for_hrtem(movie):
    with pytest.raises(ValueError, match="contrast='dark' belongs to mode='HRTEM'"):
        movie.detect_atoms(contrast="dark")


def test_missing_weights_name_the_remedy(movie, monkeypatch):
    monkeypatch.setitem(registry._DEFAULTS, "HRTEM", "absent")
    for run in (movie.enhance_scgn, lambda: movie.detect_atoms(mode="HRTEM")):
        with pytest.raises(
            ValueError, match=r"no weights .*stem-enhance train .*install_checkp"
        ):
            run()


class TestDetected:
    @pytest.mark.parametrize("contrast", ["bright", "dark"])
    def test_columns_in_column_noise(self, rng, contrast):
        image, true = columns_in_column_noise(rng)
        s = hs.signals.Signal2D(image if contrast == "bright" else -image)
        atoms = s.detect_atoms(mode="HRTEM", contrast=contrast, method="classical")
        score = hse.metrics.score_columns(atoms.single_array(), true, radius=4)
        assert score.precision > 0.95
        assert score.recall > 0.95

    def test_offsets_of_columns_of_pixels_are_no_atoms(self, rng):
        """What looks like streaks has to be told from noise by its direction."""
        image = rng.normal(0, 1, (128, 128)) + rng.normal(0, 4, 128)
        s = hs.signals.Signal2D(image)
        found = s.detect_atoms(mode="HRTEM", method="classical").n_atoms.sum()
        turned = hs.signals.Signal2D(image.T).detect_atoms(method="classical")
        assert found == turned.n_atoms.sum() <= 1

    def test_lazy(self, rng):
        frames = np.stack([columns_in_column_noise(rng)[0] for _ in range(2)])
        s = hs.signals.Signal2D(frames)
        options = {"mode": "HRTEM", "method": "classical"}
        expected, found = s.detect_atoms(**options), s.as_lazy().detect_atoms(**options)
        assert found._lazy
        found.compute()
        for a, b in zip(found.data, expected.data, strict=True):
            assert len(a) > 40
            np.testing.assert_allclose(a, b, rtol=1e-5)
