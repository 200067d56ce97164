"""The methods with the network that ships with the package."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import models
from hyperspy_stem_enhance.models import registry


@pytest.mark.parametrize("chunks", [(1, 1, 48, 56), (1, 2, 48, 56), (2, 2, 20, 30)])
@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_eager_equals_lazy_in_any_chunking(make_images, chunks, mode):
    s = make_images((2, 2))
    s.data = s.data if mode == "HAADF" else 300 - s.data
    lazy = s.as_lazy()
    lazy.data = lazy.data.rechunk(chunks)
    expected, result = s.enhance_sfin(mode=mode), lazy.enhance_sfin(mode=mode)
    assert expected.data.max() > 50  # counts in, counts out
    tolerance = 1e-5 * expected.data.max()
    np.testing.assert_allclose(np.asarray(result.data), expected.data, atol=tolerance)
    found = lazy.detect_atoms(mode=mode).data.compute()
    for a, b in zip(found.ravel(), s.detect_atoms(mode=mode).data.ravel(), strict=True):
        assert len(a) > 10
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_record_and_log_name_the_model(make_images, caplog):
    with caplog.at_level("INFO", "hyperspy_stem_enhance"):
        result = make_images().enhance_sfin(device="cpu")
    record = result.metadata.STEM_enhance.enhance_sfin
    assert record.model == models.resolve("auto", "HAADF")
    assert f"model {record.model!r} on device 'cpu'" in caplog.text
    assert record.weights_sha256 == models.weights_sha256(record.model)
    assert len(record.weights_sha256) == 64


@pytest.mark.parametrize("method", ["enhance_sfin", "detect_atoms"])
@pytest.mark.parametrize("is_lazy", [False, True])
class TestRefused:
    @pytest.mark.parametrize("model", ["sfin-slow", "", None, 3])
    def test_unknown_model(self, make_images, method, is_lazy, model):
        s = make_images((2,))
        s = s.as_lazy() if is_lazy else s
        with pytest.raises(ValueError, match=f"model={model!r} is unknown; use 'auto'"):
            getattr(s, method)(model=model)

    @pytest.mark.parametrize("device", ["gpu", "cuda:99", 3.5])
    def test_unknown_device(self, make_images, method, is_lazy, device):
        s = make_images((2,))
        s = s.as_lazy() if is_lazy else s
        with pytest.raises(ValueError, match=f"device={device!r} cannot be used"):
            getattr(s, method)(device=device)

    def test_altered_weights_are_not_a_frames_fault(
        self, make_images, method, is_lazy, monkeypatch
    ):
        def load(name, device):
            raise ValueError(f"the weights of {name} are altered")

        monkeypatch.setattr(registry, "_loaded", {})
        monkeypatch.setattr(registry, "load_model", load)
        s = make_images((2,))
        s = s.as_lazy() if is_lazy else s
        with pytest.raises(ValueError, match=r"the weights of .* are altered"):
            np.asarray(getattr(s, method)().data)


def test_folder_to_columns_end_to_end(make_images, tmp_path):
    """Save, load lazily, enhance, save, load, detect: the way of a movie."""
    s = make_images((3,))
    s.save(tmp_path / "movie.hspy")
    movie = hs.load(tmp_path / "movie.hspy", lazy=True)
    movie.enhance_sfin().save(tmp_path / "enhanced.hspy")
    enhanced = hs.load(tmp_path / "enhanced.hspy", lazy=True)
    atoms = enhanced.detect_atoms(lazy_output=False)
    expected = s.enhance_sfin().detect_atoms()
    np.testing.assert_array_equal(atoms.n_atoms, expected.n_atoms)
    assert atoms.image_axes[0].scale == s.axes_manager["y"].scale
    movie.close_file()
    enhanced.close_file()
