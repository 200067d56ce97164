import h5py
import numpy as np
import pytest

from hyperspy_stem_enhance.cli.loading import load_signals


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        with h5py.File(tmp_path / "plain.h5", "w") as file:
            for name, array in arrays.items():
                file[f"entry/{name}"] = array
        return tmp_path / "plain.h5"

    return write


def test_the_only_images_are_loaded(write):
    images = np.random.default_rng(0).normal(size=(3, 20, 30)).astype("f4")
    path = write(images=images, x=np.arange(30), few=np.ones((3, 4)), text="none")
    [signal] = load_signals(path)
    assert signal._lazy
    assert signal.axes_manager.signal_shape == (30, 20)
    np.testing.assert_array_equal(signal.data.compute(), images)


def test_they_can_be_sent_to_the_workers_of_a_cluster(write):
    cloudpickle = pytest.importorskip("cloudpickle")
    images = np.arange(800.0).reshape(20, 40)
    [signal] = load_signals(write(images=images))
    data = cloudpickle.loads(cloudpickle.dumps(signal.data))
    np.testing.assert_array_equal(data.compute(), images)


@pytest.mark.parametrize(
    "arrays", [{}, {"a": np.ones((20, 20)), "b": np.ones((2, 20, 20))}]
)
def test_none_or_several_are_named(write, arrays):
    with pytest.raises(ValueError, match="plain HDF5 with") as error:
        load_signals(write(x=np.arange(30), **arrays))
    assert all(name in str(error.value) for name in arrays)
