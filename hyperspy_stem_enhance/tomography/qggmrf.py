"""Reconstruction by the package svmbir, with its edge-preserving prior.

Sridhar et al., IEEE Trans. Comput. Imaging 6 (2020) 1301, for parallel beams; the
package is optional (extra ``tomography``).
"""

import tempfile

import numpy as np

_SHARPNESS = 0.0
_SNR_DB = 30.0  # the package's own


def reconstruct(
    views, tilts, variance=None, thickness=None, sharpness=None, snr_db=None
):
    """A volume (z, y, x) of views (n, u, x).

    Parameters
    ----------
    views : numpy.ndarray of float32, shape (n, u, x)
    tilts : numpy.ndarray, shape (n,)
        In degrees.
    variance : numpy.ndarray, optional
        Of each pixel, for the weights; all alike by default.
    thickness : int, optional
    sharpness, snr_db : float, optional
        Arguments of ``svmbir.recon``.

    Raises
    ------
    ImportError
        If svmbir is not installed.
    """
    try:
        import svmbir
    except ImportError as error:
        raise ImportError(
            "method='svmbir' needs the package svmbir, which is not installed. Use "
            "pip install hyperspy_stem_enhance[tomography], or another method."
        ) from error
    weights = None
    if variance is not None:
        weights = np.ascontiguousarray((variance.mean() / variance).transpose(0, 2, 1))
    settings = {
        "regularisation": _SHARPNESS if sharpness is None else sharpness,
        "snr_db": _SNR_DB if snr_db is None else snr_db,
    }
    size = views.shape[1]
    thickness = thickness or size
    # It keeps system matrices in a folder, and would fill the user's own
    with tempfile.TemporaryDirectory() as folder:
        volume = svmbir.recon(
            np.ascontiguousarray(views.transpose(0, 2, 1)),
            np.deg2rad(tilts),
            weights=weights,
            num_rows=size,
            num_cols=thickness,
            # Half of the diagonal: the corners count as well
            roi_radius=0.5 * float(np.hypot(size, thickness)),
            sharpness=settings["regularisation"],
            snr_db=settings["snr_db"],
            num_threads=2,
            verbose=0,
            svmbir_lib_path=folder,
        )
    return np.ascontiguousarray(volume.transpose(2, 1, 0)), settings
