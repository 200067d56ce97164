"""From a tilt series as HyperSpy loads it to a tomogram, and back from its files."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.tomography import load_gaussians

FEW = {"iterations": 30, "n_gaussians": 200, "regularisation": 0.1, "align": False}


@pytest.fixture(scope="module")
def data():
    return hse.simulate.make_tilt_series(
        "graded", (24, 32, 32), n_views=9, background=5, counts=200, pixel_size=4.0
    )


@pytest.fixture(scope="module")
def tomogram(data):
    return data.series.reconstruct_tomogram(**FEW)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


class TestReconstruct:
    def test_axes_and_metadata(self, data, tomogram):
        assert isinstance(tomogram, hse.Tomogram)
        assert tomogram.data.shape == (24, 32, 32)
        assert tomogram.data.dtype == np.float32
        axes = tomogram.axes_manager._axes
        assert [axis.name for axis in axes] == ["x", "z", "y"]
        assert [axis.navigate for axis in axes] == [True, False, False]
        for axis in axes:
            assert axis.scale == pytest.approx(0.4)
            assert axis.units == "nm"
        node = tomogram.metadata.STEM_enhance.reconstruct_tomogram
        assert node.settings.method == "denza"
        assert node.background_level == pytest.approx(5, abs=1)
        for name in ("gains", "backgrounds", "residual_rms", "tilts"):
            assert np.shape(node[name]) == (9,)
        np.testing.assert_array_equal(node.tilts, data.tilts)
        assert tomogram.metadata.General.title == data.series.metadata.General.title

    @pytest.mark.parametrize("method", ["wbp", "sirt", "tv"])
    def test_other_methods(self, data, method):
        series = data.series
        found = series.reconstruct_tomogram(method, iterations=5, align=False)
        truth = data.volume
        assert np.corrcoef(found.data.ravel(), truth.ravel())[0, 1] > 0.7
        assert found.gaussians is None
        assert found.project([0.0]).data.shape == (1, 32, 24)
        with pytest.raises(ValueError, match="method='denza'"):
            found.resample(2)

    def test_lazy_is_the_same(self, data):
        options = {"iterations": 5, "align": False}
        eager = data.series.reconstruct_tomogram("sirt", **options)
        lazy = data.series.as_lazy().reconstruct_tomogram("sirt", **options)
        np.testing.assert_allclose(lazy.data, eager.data, rtol=1e-4, atol=1e-4)
        assert lazy._lazy is False

    def test_thickness_and_binning(self, data):
        found = data.series.reconstruct_tomogram(
            "sirt", thickness=10, binning=2, iterations=3, align=False
        )
        assert found.data.shape == (12, 10, 16)
        x, _, y = found.axes_manager._axes
        assert (x.scale, y.scale) == (pytest.approx(0.8), pytest.approx(0.8))
        assert x.offset == pytest.approx(0.2)

    def test_vertical_axis(self, data):
        upright = hs.signals.Signal2D(np.rot90(data.views, -1, axes=(1, 2)).copy())
        for axis, scale in zip(upright.axes_manager.signal_axes, (3, 2), strict=True):
            axis.scale, axis.units = scale, "nm"
        options = {"tilts": data.tilts, "iterations": 3, "align": False}
        found = upright.reconstruct_tomogram("sirt", tilt_axis="y", **options)
        expected = data.series.reconstruct_tomogram("sirt", **options)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-4, atol=1e-4)
        x, z, y = found.axes_manager._axes
        assert (x.scale, z.scale, y.scale) == (2, 3, 3)
        assert y.offset == pytest.approx(-3 * 31)

    def test_signals_of_etspy(self, data):
        series = data.series.deepcopy()
        tilts = hs.signals.Signal1D(data.tilts[:, None])
        series.metadata.Tomography.tilts = tilts
        series.metadata.set_item("Tomography.shifts", hs.signals.Signal1D(np.zeros(2)))
        found = series.reconstruct_tomogram("wbp", align=False)
        assert not found.metadata.has_item("Tomography")

    def test_bad_views_are_named(self, data):
        series = data.series.deepcopy()
        series.data[2] = np.nan
        with pytest.warns(UserWarning, match=r"1 of 9 views are left out: 2 \(100%"):
            found = series.reconstruct_tomogram("sirt", iterations=3, align=False)
        node = found.metadata.STEM_enhance.reconstruct_tomogram
        assert 2 not in node.views_kept
        assert "not finite" in node.views_left_out.view_2
        assert np.isfinite(found.data).all()

    def test_interruption_gives_what_there_is(self, data, monkeypatch):
        from hyperspy_stem_enhance.signals import tomography

        def interrupt(self, step, total, error):
            raise KeyboardInterrupt

        monkeypatch.setattr(tomography._Progress, "__call__", interrupt)
        with pytest.warns(UserWarning, match="interrupted"):
            found = data.series.reconstruct_tomogram(**FEW)
        assert found.metadata.STEM_enhance.reconstruct_tomogram.interrupted
        assert found.data.max() > 0

    def test_progress(self, data, capsys):
        data.series.reconstruct_tomogram(
            "sirt", iterations=3, align=False, show_progressbar=True
        )
        assert "sirt: 100%" in capsys.readouterr().err


class TestRefused:
    """Nothing is computed: each is refused before any work."""

    def test_no_angles(self, data):
        series = hs.signals.Signal2D(data.views)
        with pytest.raises(ValueError, match="no tilt angles are known"):
            series.reconstruct_tomogram()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"method": "magic"}, "method='magic' is unknown; use one of 'denza'"),
            ({"tilts": [20.0] * 9}, "all tilt angles"),
            ({"tilts": np.linspace(-1.2, 1.2, 9)}, "looks like radians"),
            ({"tilts": [1, 2]}, "2 angles"),
            ({"thickness": 0}, "thickness=0"),
            ({"tilt_axis": "z"}, "tilt_axis='z'"),
            ({"tilt_units": "turns"}, "tilt_units='turns'"),
            ({"binning": 0}, "binning=0"),
            ({"device": "cuda:7"}, "cuda"),
        ],
    )
    def test_options(self, data, options, words):
        with pytest.raises(ValueError, match=words):
            data.series.reconstruct_tomogram(**options)

    def test_radians_that_are_said(self, data):
        found = data.series.reconstruct_tomogram(
            "wbp", np.deg2rad(data.tilts), tilt_units="radians", align=False
        )
        node = found.metadata.STEM_enhance.reconstruct_tomogram
        np.testing.assert_allclose(node.tilts, data.tilts)

    def test_one_view(self, data):
        with pytest.raises(ValueError, match="one view"):
            data.series.inav[3].reconstruct_tomogram()
        with pytest.raises(ValueError, match="one view"):
            data.series.inav[3:4].reconstruct_tomogram(tilts=[20.0])

    def test_two_navigation_axes(self, data):
        frames = hs.signals.Signal2D(np.stack([data.views] * 2))
        with pytest.raises(ValueError, match="one axis of tilts"):
            frames.reconstruct_tomogram(tilts=data.tilts)

    def test_dtype(self):
        views = hs.signals.Signal2D(np.zeros((3, 16, 16)))
        views.data = views.data.astype(object)
        with pytest.raises(TypeError, match="object"):
            views.reconstruct_tomogram(tilts=[-9, 0, 9])


class TestFiles:
    @pytest.mark.parametrize("lazy", [False, True])
    def test_hspy_keeps_everything(self, tomogram, tmp_path, lazy):
        tomogram.save(tmp_path / "volume.hspy")
        loaded = hs.load(tmp_path / "volume.hspy", lazy=lazy)
        assert type(loaded) is (hse.LazyTomogram if lazy else hse.Tomogram)
        for name in ("positions", "covariances", "denza"):
            expected = getattr(tomogram.gaussians, name)
            np.testing.assert_array_equal(getattr(loaded.gaussians, name), expected)
        np.testing.assert_array_equal(np.asarray(loaded.data), tomogram.data)
        again = loaded.project([-20, 35]).data
        np.testing.assert_array_equal(again, tomogram.project([-20, 35]).data)
        loaded.plot_orthoslices()
        loaded.plot_views()
        loaded.plot_residuals()

    def test_zspy(self, tomogram, tmp_path):
        zarr = pytest.importorskip("zarr")
        if not zarr.__version__.startswith("2."):
            pytest.skip("HyperSpy's .zspy needs zarr 2")
        tomogram.save(tmp_path / "volume.zspy")
        loaded = hs.load(tmp_path / "volume.zspy")
        assert len(loaded.gaussians) == len(tomogram.gaussians)

    def test_tif_keeps_voxels_and_their_size(self, tomogram, tmp_path):
        tomogram.save(tmp_path / "volume.tif")
        loaded = hs.load(tmp_path / "volume.tif")
        np.testing.assert_array_equal(loaded.data, tomogram.data)
        assert loaded.axes_manager[-1].scale == pytest.approx(0.4)

    def test_npz(self, tomogram, tmp_path):
        path = tmp_path / "gaussians.npz"
        tomogram.save_gaussians(path)
        loaded, expected = load_gaussians(path), tomogram.gaussians
        assert loaded.shape == expected.shape
        np.testing.assert_array_equal(loaded.voxelise(), expected.voxelise())
        with np.load(path) as file:
            np.testing.assert_allclose(file["spacing"], 0.4)
            assert str(file["units"]) == "nm"
        with pytest.raises(FileExistsError, match="overwrite"):
            tomogram.save_gaussians(path)
        tomogram.save_gaussians(path, overwrite=True)
        with pytest.raises(ValueError, match=r"\.npz"):
            tomogram.save_gaussians(tmp_path / "gaussians.csv")
        np.savez(tmp_path / "other.npz", a=1)
        with pytest.raises(ValueError, match="holds no Gaussians"):
            load_gaussians(tmp_path / "other.npz")
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "gaussians.npz",
            "other.npz",
        ]


class TestModel:
    def test_views_at_any_tilt(self, data, tomogram):
        views = tomogram.project(data.tilts)
        assert views.data.shape == data.views.shape
        assert views.axes_manager["x"].scale == pytest.approx(0.4)
        axis = views.axes_manager[0]
        np.testing.assert_allclose(axis.axis, data.tilts)
        assert axis.units == "degrees"
        np.testing.assert_array_equal(views.metadata.Tomography.tilts, data.tilts)
        assert np.corrcoef(views.data.ravel(), data.clean.ravel())[0, 1] > 0.8
        assert tomogram.project(12.0).data.shape == (1, 32, 24)
        with pytest.raises(ValueError, match="angles="):
            tomogram.project([np.nan])

    def test_the_model_stays_where_a_volume_is_cropped(self, tomogram):
        part = tomogram.inav[4:12].isig[3:20, 5:]
        np.testing.assert_array_equal(
            part.project([10]).data, tomogram.project([10]).data
        )
        assert part.gaussians.shape == (24, 32, 32)

    def test_resample(self, tomogram):
        fine = tomogram.resample(2)
        assert fine.data.shape == (48, 64, 64)
        for fine_axis, axis in zip(
            fine.axes_manager._axes, tomogram.axes_manager._axes, strict=True
        ):
            middle = axis.offset + axis.scale * (axis.size - 1) / 2
            fine_middle = fine_axis.offset + fine_axis.scale * (fine_axis.size - 1) / 2
            assert fine_middle == pytest.approx(middle)
            assert fine_axis.scale == pytest.approx(axis.scale / 2)
        blocks = fine.data.reshape(24, 2, 32, 2, 32, 2).mean(axis=(1, 3, 5))
        np.testing.assert_allclose(blocks.sum(), tomogram.data.sum(), rtol=0.02)
        back = fine.resample(1)
        np.testing.assert_allclose(back.data, tomogram.data, atol=1e-5)
        for scale in (0, -1, np.nan, "2"):
            with pytest.raises(ValueError, match="scale="):
                tomogram.resample(scale)

    def test_table(self, tomogram):
        table = tomogram.to_dataframe()
        model = tomogram.gaussians
        np.testing.assert_allclose(table["z"], 0.4 * model.positions[:, 1])
        np.testing.assert_allclose(table["xy"], 0.16 * model.covariances[:, 0, 2])
        np.testing.assert_allclose(table["denza"], model.denza)


class TestPlots:
    def test_orthoslices(self, tomogram):
        axes = tomogram.plot_orthoslices(x=3, z=2.0, y=-1)
        shown = axes[0].images[0].get_array()
        np.testing.assert_allclose(shown, tomogram.data[3].T)
        np.testing.assert_allclose(axes[1].images[0].get_array(), tomogram.data[:, 5].T)
        assert "z = 2 nm" in axes[1].get_title()
        part = tomogram.isig[4:, :]  # y from 1.6 nm on
        assert part.plot_orthoslices()[0].get_ylim()[1] == pytest.approx(1.4)
        np.testing.assert_allclose(
            axes[2].images[0].get_array(), tomogram.data[..., -1].T
        )
        axes = tomogram.plot_orthoslices(kind="maximum")
        np.testing.assert_allclose(
            axes[2].images[0].get_array(), tomogram.data.max(2).T
        )
        with pytest.raises(ValueError, match="kind='mean'"):
            tomogram.plot_orthoslices(kind="mean")
        for place in (99, -25, 1e3):
            with pytest.raises(ValueError, match="outside of the volume"):
                tomogram.plot_orthoslices(x=place)
        with pytest.raises(ValueError, match="needs a volume"):
            tomogram.inav[3].plot_orthoslices()

    def test_views(self, tomogram):
        axes = tomogram.plot_views([0, -1])
        assert axes.shape == (3, 2)
        recorded, projected, difference = (
            axes[row, 1].images[0].get_array() for row in range(3)
        )
        np.testing.assert_allclose(difference, recorded - projected, atol=1e-4)
        node = tomogram.metadata.STEM_enhance.reconstruct_tomogram
        rms = np.sqrt(np.mean(difference**2))
        assert rms == pytest.approx(node.residual_rms[-1], rel=1e-3)
        with pytest.raises(ValueError, match="indices="):
            tomogram.plot_views([9])

    def test_residuals(self, tomogram):
        axes = tomogram.plot_residuals()
        line = axes[0].lines[0].get_ydata()
        node = tomogram.metadata.STEM_enhance.reconstruct_tomogram
        np.testing.assert_allclose(line, node.residual_rms)

    def test_what_a_file_does_not_keep(self, tomogram, tmp_path):
        bare = hse.Tomogram(tomogram.data)
        assert bare.gaussians is None
        for call in (bare.plot_views, bare.plot_residuals):
            with pytest.raises(ValueError, match=r"\.hspy"):
                call()
