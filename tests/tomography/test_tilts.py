"""Tilt angles are found in every place, in the right order, or all are named."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.tomography.tilts import find_tilts, read_tilt_file

ANGLES = np.array([-60.0, -20.0, 10.0, 55.0])
STAGE = "Acquisition_instrument.TEM.Stage.tilt_alpha"


@pytest.fixture
def series():
    return hs.signals.Signal2D(np.zeros((4, 16, 16)))


def padded(angles, size=1024):
    return np.concatenate([angles, np.zeros(size - len(angles))]).astype("float32")


class TestPlaces:
    def test_argument_comes_first(self, series):
        series.metadata.set_item("Tomography.tilts", ANGLES + 1)
        found = find_tilts(series, ANGLES)
        np.testing.assert_array_equal(found.angles, ANGLES)
        assert found.source == "argument"

    def test_signals_of_etspy_are_taken(self, series):
        tilts = hs.signals.Signal1D(ANGLES[:, None])
        np.testing.assert_array_equal(find_tilts(series, tilts).angles, ANGLES)
        series.tilts = tilts
        assert find_tilts(series).source == "signal.tilts"

    def test_tilts_that_etspy_lost_are_in_the_metadata(self, series):
        series.tilts = hs.signals.Signal1D(np.zeros((4, 1)))
        tilts = hs.signals.Signal1D(ANGLES[:, None])
        series.metadata.set_item("Tomography.tilts", tilts)
        found = find_tilts(series)
        assert found.source == "metadata.Tomography.tilts"
        np.testing.assert_array_equal(found.angles, ANGLES)

    def test_padded_stage_angles(self, series):
        series.metadata.set_item(STAGE, padded(ANGLES))
        np.testing.assert_array_equal(find_tilts(series).angles, ANGLES)

    def test_slices_keep_their_own_angles(self, series):
        series.metadata.set_item(STAGE, padded(ANGLES))
        np.testing.assert_array_equal(find_tilts(series.inav[1:]).angles, ANGLES[1:])
        np.testing.assert_array_equal(find_tilts(series.inav[::2]).angles, ANGLES[::2])

    def test_views_beyond_the_recorded_ones_have_no_angle(self):
        series = hs.signals.Signal2D(np.zeros((6, 16, 16)))
        series.metadata.set_item(STAGE, padded(ANGLES))
        expected = [*ANGLES, np.nan, np.nan]
        np.testing.assert_array_equal(find_tilts(series).angles, expected)

    def test_one_stage_angle_is_none_of_the_views(self, series):
        series.metadata.set_item(STAGE, 12.5)
        with pytest.raises(ValueError, match=r"one number \(12.5\) for all views"):
            find_tilts(series)

    def test_stacks_of_files(self, tmp_path):
        for index, angle in enumerate(ANGLES):
            view = hs.signals.Signal2D(np.zeros((16, 16)))
            view.metadata.set_item(STAGE, angle)
            view.save(tmp_path / f"view{index}.hspy")
        series = hs.load(str(tmp_path / "view*.hspy"), stack=True)
        found = find_tilts(series)
        assert found.source == "original_metadata.stack_elements"
        np.testing.assert_array_equal(found.angles, ANGLES)

    @pytest.mark.parametrize(
        ("units", "factor"),
        [("degrees", 1), ("deg", 1), ("°", 1), ("rad", np.pi / 180)],
    )
    def test_axis(self, series, units, factor):
        axis = series.axes_manager[0]
        axis.offset, axis.scale, axis.units = -60 * factor, 40 * factor, units
        found = find_tilts(series)
        assert found.source == "navigation axis"
        np.testing.assert_allclose(found.angles, [-60, -20, 20, 60])

    def test_axis_that_is_not_uniform(self):
        axes = [{"axis": ANGLES, "units": "degrees", "navigate": True}]
        axes += [{"size": 16, "navigate": False} for _ in range(2)]
        series = hs.signals.Signal2D(np.zeros((4, 16, 16)), axes=axes)
        np.testing.assert_array_equal(find_tilts(series).angles, ANGLES)

    def test_axis_nobody_calibrated(self, series):
        series.axes_manager[0].name = "Projections"
        series.axes_manager[0].units = "degrees"
        with pytest.raises(ValueError, match="as if not set"):
            find_tilts(series)

    def test_axis_wins_over_angles_of_the_whole_series(self, series):
        axis = series.axes_manager[0]
        axis.offset, axis.scale, axis.units = -60, 40, "degrees"
        series.metadata.set_item("Tomography.tilts", axis.axis)
        found = find_tilts(series.inav[1:3])
        assert found.source == "navigation axis"
        np.testing.assert_array_equal(found.angles, [-20, 20])

    @pytest.mark.parametrize("name", ["s.rawtlt", "s.tlt", "s.mdoc", "s.hspy.mdoc"])
    def test_file_beside(self, series, tmp_path, name):
        series.save(tmp_path / "s.hspy")
        text = "\n".join(f"{angle:8.2f}" for angle in ANGLES)
        if name.endswith("mdoc"):
            text = mdoc(ANGLES)
        (tmp_path / name).write_text(text)
        found = find_tilts(hs.load(tmp_path / "s.hspy"))
        assert found.source == "file beside"
        np.testing.assert_array_equal(found.angles, ANGLES)

    def test_file_beside_that_cannot_be_read_is_named(self, series, tmp_path):
        series.save(tmp_path / "s.hspy")
        (tmp_path / "s.rawtlt").write_text("-60\nabout 20\n")
        (tmp_path / "s.tlt").write_text("-60\n20\n")
        with pytest.raises(ValueError, match=r"line 2 of .*about 20") as caught:
            find_tilts(hs.load(tmp_path / "s.hspy"))
        assert "s.tlt: 2 angles for 4 views" in str(caught.value)

    def test_all_places_are_named(self, series):
        with pytest.raises(ValueError, match="give tilts=") as caught:
            find_tilts(series)
        for place in (
            "signal.tilts",
            "metadata.Tomography.tilts",
            STAGE,
            "stack_elements",
            "navigation axis",
            ".rawtlt",
            ".mdoc",
        ):
            assert place in str(caught.value)


def mdoc(angles):
    lines = ["PixelSpacing = 3.2", "[T = SerialEM: Tilt axis angle = -86.7]"]
    for index, angle in enumerate(angles):
        lines += [f"[ZValue = {index}]", f"TiltAngle = {angle}", "Defocus = -1", ""]
    return "\n".join(lines)


class TestFiles:
    def test_sections_without_an_angle(self, tmp_path):
        text = mdoc(ANGLES).replace("TiltAngle = -20.0\n", "")
        path = tmp_path / "a.mdoc"
        path.write_text(text)
        expected = [ANGLES[0], np.nan, *ANGLES[2:]]
        np.testing.assert_array_equal(read_tilt_file(path), expected)

    def test_sections_in_the_order_of_recording(self, tmp_path):
        sections = mdoc(ANGLES).split("[ZValue")
        path = tmp_path / "a.mdoc"
        path.write_text("[ZValue".join([sections[0], *sections[:0:-1]]))
        np.testing.assert_array_equal(read_tilt_file(path), ANGLES)

    def test_given_as_path(self, series, tmp_path):
        path = tmp_path / "angles.rawtlt"
        path.write_text("-60\n-20\n\n10\n55\n")
        np.testing.assert_array_equal(find_tilts(series, path).angles, ANGLES)
        assert find_tilts(series, str(path)).source == str(path)

    @pytest.mark.parametrize(
        ("text", "name", "words"),
        [
            ("", "a.tlt", "holds no tilt angles"),
            ("1,5", "a.tlt", "'1,5'"),
            ("[ZValue = 0]\nTiltAngle = x", "a.mdoc", "TiltAngle 'x'"),
        ],
    )
    def test_what_cannot_be_read(self, tmp_path, text, name, words):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=words):
            read_tilt_file(tmp_path / name)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no file"):
            read_tilt_file(tmp_path / "none.tlt")


class TestBad:
    @pytest.mark.parametrize(
        ("tilts", "words"),
        [
            ([1, 2], "2 angles.*4 views"),
            (["a", "b"], "not numbers"),
            ([30.0] * 4, "all tilt angles .* are 30"),
            ([np.nan] * 4, "none of the tilt angles"),
            ([np.inf] * 4, "none of the tilt angles"),
            (np.deg2rad(ANGLES), "looks like radians; say tilt_units='radians'"),
        ],
    )
    def test_refused(self, series, tilts, words):
        with pytest.raises(ValueError, match=words):
            find_tilts(series, tilts)

    def test_units_that_are_said(self, series):
        found = find_tilts(series, np.deg2rad(ANGLES), "radians")
        np.testing.assert_allclose(found.angles, ANGLES)
        found = find_tilts(series, ANGLES / 30, "degrees")
        np.testing.assert_allclose(found.angles, ANGLES / 30)
        with pytest.raises(ValueError, match="tilt_units='turns'"):
            find_tilts(series, ANGLES, "turns")

    def test_an_axis_has_its_own_units(self, series):
        axis = series.axes_manager[0]
        axis.offset, axis.scale, axis.units = -1.5, 1, "degrees"
        np.testing.assert_allclose(find_tilts(series).angles, axis.axis)

    def test_one_angle_that_is_no_angle(self, series):
        angles = ANGLES.copy()
        angles[2] = 1e4
        assert np.isnan(find_tilts(series, angles).angles[2])


@pytest.mark.parametrize(
    ("name", "start"),
    [("needle_raw.mrc", -76), ("needle_aligned.hspy", -76), ("needle_full.dm3", -90)],
)
def test_real_series(data_dir, name, start):
    path = data_dir / "tomography" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    series = hs.load(path)
    expected = np.arange(start, -start + 1, 2)
    np.testing.assert_allclose(find_tilts(series).angles, expected)
    part = find_tilts(series.inav[10:50:4]).angles
    np.testing.assert_allclose(part, expected[10:50:4])
