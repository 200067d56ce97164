"""What real images have besides columns must not change the parameters."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from hyperspy_stem_enhance.noise import PUBLISHED_PARAMETERS, calibrate_image
from hyperspy_stem_enhance.simulate.noise import frame_noise_from, gradient_magnitude

from .conftest import make_ideal

TRUE = PUBLISHED_PARAMETERS["HAADF"]
# largest relative error (lambda: absolute)
TOLERANCES = {
    "pointwise": 0.05,
    "scan_zero": 0.25,
    "scan_steep": 0.2,
    "lambda": 0.05,
    "brightness": 0.15,
}


def vacuum(ideal):
    """Nothing beside the specimen, with a sharp edge."""
    changed = ideal.copy()
    changed[:, :90] = 6.0
    return changed


def sloping_edge(ideal):
    """A slanted edge five pixels wide."""
    y, x = np.indices(ideal.shape)
    inside = 1 / (1 + np.exp((x + 0.5 * y - 280) / 5))
    return 6.0 + (ideal - 6.0) * inside


def contamination(ideal):
    """Bright blob, smooth but smaller than the patches of the background."""
    y, x = np.indices(ideal.shape)
    return ideal + 90 * np.exp(-((y - 90) ** 2 + (x - 150) ** 2) / (2 * 38**2))


def drift(ideal):
    """Lattice sheared by a steady drift and bent by an unsteady one."""
    y, x = np.indices(ideal.shape)
    moved = x + 0.12 * y - 15 + 2 * np.sin(y / 25)
    return map_coordinates(ideal, [y, moved], order=3, mode="mirror")


def hot_pixels(image):
    """Pixels at the end of the range of the detector."""
    rng = np.random.default_rng(3)
    changed = image.copy()
    changed[tuple(rng.integers(0, 256, (2, 25)))] = 4095
    return changed


def saturation(image):
    """Columns brighter than the detector can tell."""
    return np.minimum(image, 215)


def unchanged(image):
    return image


CASES = [
    (vacuum, unchanged),
    (sloping_edge, unchanged),
    (contamination, unchanged),
    (drift, unchanged),
    (unchanged, hot_pixels),
    (unchanged, saturation),
    (contamination, hot_pixels),
]


def errors(found, ideal):
    """Relative errors of what the parameters say of this image."""

    def sd(parameters, term, x):
        slope = getattr(parameters, f"{term}_slope")
        return slope * x + getattr(parameters, f"{term}_intercept")

    def relative(term, x):
        return np.max(np.abs(sd(found, term, x) / sd(TRUE, term, x) - 1))

    return {
        "pointwise": relative("pointwise", np.quantile(ideal, [0.2, 0.5, 0.9])),
        "scan_zero": relative("scan", 0.0),
        "scan_steep": relative("scan", np.quantile(gradient_magnitude(ideal), 0.9)),
        "lambda": abs(found.pointwise_lambda - TRUE.pointwise_lambda),
        "brightness": abs(found.atom_brightness / TRUE.atom_brightness - 1),
    }


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("change_ideal", "change_image"), CASES)
def test_defects_of_real_images_change_little(change_ideal, change_image, seed):
    ideal = change_ideal(make_ideal(TRUE)).astype(np.float32)
    noise = frame_noise_from(TRUE)
    image = change_image(noise.apply(np.random.default_rng(seed), ideal))
    tolerances = dict(TOLERANCES)
    if change_image is saturation:  # clipped columns are no measure of brightness
        del tolerances["brightness"]
    result = calibrate_image(image)
    found = errors(result.parameters, ideal)
    bad = {k: round(found[k], 3) for k, most in tolerances.items() if found[k] > most}
    assert not bad
    naive = errors(calibrate_image(image, method="paper").parameters, ideal)
    assert any(naive[name] > most for name, most in tolerances.items())
