"""`enhance_sfin(output=...)` with a network of three outputs."""

import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.run import enhance_frames


@pytest.mark.parametrize("output", ["enhanced", "super-resolution", "detection"])
@pytest.mark.parametrize("is_lazy", [False, True])
def test_signal_has_what_the_array_function_gives(
    make_images, three_outputs, output, is_lazy
):
    s = make_images((2,))
    expected = enhance_frames(s.data, three_outputs, scale=1, output=output)
    s = s.as_lazy() if is_lazy else s
    e = s.enhance_sfin(three_outputs, scale=1, output=output)
    assert e._lazy is is_lazy
    np.testing.assert_allclose(np.asarray(e.data), expected, atol=1e-3)
    assert e.metadata.STEM_enhance.enhance_sfin.output == output
    assert e.axes_manager["x"].scale == s.axes_manager["x"].scale


def test_probabilities_are_called_so(make_images, three_outputs):
    s = make_images()
    s.metadata.set_item("Signal.quantity", "Intensity (Counts)")
    e = s.enhance_sfin(three_outputs, scale=1, output="detection")
    assert e.metadata.Signal.quantity == "Probability"
    assert 0 <= e.data.min() <= e.data.max() <= 1
    assert s.metadata.Signal.quantity == "Intensity (Counts)"


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("one", {"output": "detection"}, "'one' has not the output='detection'"),
        ("three", {"output": "dots"}, "output='dots' is unknown"),
        ("three", {"output": ["enhanced"]}, "is unknown"),
        ("three", {"output": "detection", "keep_background": True}, "keep_background"),
        ("three", {"output": "detection", "remove_echo": True}, "remove_echo"),
    ],
)
def test_refused_before_anything_is_computed(
    make_images, three_outputs, model, options, message
):
    with pytest.raises(ValueError, match=message):
        make_images((2,)).as_lazy().enhance_sfin(model, **options)
