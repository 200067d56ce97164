"""Tell whether what an enhancement removed is the noise, and nothing else.

What was removed is compared with the noise that calibration measures in the
same image, looked at for what noise between rows cannot have, and compared
with the structure that was kept.  None of this needs the truth.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter

from ..detect.peaks import estimate_width
from ..imaging import imaging_mode
from ..noise.calibration import calibrate_image
from .background import add_lowpass_background
from .normalise import local_mean

_COLUMN_SD = 2.0  # pixels, where no column can be measured
_WIDEST = 3.0  # pixels: over more, what is slow beside the columns matters
_ERRORS = 4.0  # standard errors
_LEFT = 0.85  # of the measured SD: less has not been removed
_TOO_MUCH = 1.15
_SLOPE = 0.1  # of the structure
_EXCESS = 1.3  # of the SD of what is averaged over a column
_FEATURE = 5.5  # its SDs
_PER_FEATURE = 20_000  # pixels; networks err in places, at edges above all


@dataclass(frozen=True)
class ResidualReport:
    """What an enhancement removed, compared with the noise of the image.

    Attributes
    ----------
    sd, noise_sd : float
        SD of what was removed, and of the noise that calibration measures
        in the image, in its units.
    sd_ratio : float
        Of both; 1 if as much was removed as there is noise.
    row_correlation, row_correlation_error : float
        Correlation of neighbouring rows of what was removed (in HRTEM
        images, of neighbouring columns of pixels), and its standard error;
        0 for noise. Along a row, scan noise is correlated, and nothing
        follows from that.
    structure_slope, structure_slope_error : float
        Part of the structure that is found in what was removed, and its
        standard error; 0 if columns kept their intensity, -0.1 if they
        were made brighter by a tenth.
    column_excess : float
        SD of what was removed, averaged over the size of a column (with
        an SD of at most 3 pixels), over what rows of independent noise
        would leave of it: 1 for noise, and less where slow noise went with
        the background.
    n_features : int
        Places, of that size, where what was removed stands out
        by more than 5.5 of these SDs: columns that are missing, or that
        were invented.
    features : numpy.ndarray of float, shape (n_features, 3)
        y and x in pixels, and by how many SDs; positive where something
        bright is missing, negative where something was added.
    removed, significance : numpy.ndarray of float32, shape (h, w)
        What was removed, and its average over a column in these SDs.
    notes : tuple of str
        Of the calibration.
    lines : {"rows", "columns"}
        What has noise of its own in an image of this mode.
    """

    sd: float
    noise_sd: float
    sd_ratio: float
    row_correlation: float
    row_correlation_error: float
    structure_slope: float
    structure_slope_error: float
    column_excess: float
    features: np.ndarray = field(repr=False)
    removed: np.ndarray = field(repr=False)
    significance: np.ndarray = field(repr=False)
    notes: tuple = ()
    lines: str = "rows"

    @property
    def n_features(self):
        """Number of `features`."""
        return len(self.features)

    @property
    def findings(self):
        """What speaks against the enhancement, in words.

        Returns
        -------
        tuple of str
            Empty if what was removed looks like the noise and nothing else.
        """
        found = []
        if self.sd_ratio < _LEFT:
            found.append(
                f"noise is left: {self.sd_ratio:.2f} of its SD was removed, the rest "
                "is in the enhanced image"
            )
        slope, error = self.structure_slope, self.structure_slope_error
        if abs(slope) > max(_SLOPE, _ERRORS * error):
            how = "weaker" if slope > 0 else "stronger"
            found.append(f"columns became {how}, by {abs(slope):.0%} of their height")
        many = self.n_features * _PER_FEATURE > self.removed.size
        if self.column_excess > _EXCESS or many:
            missing = int(np.count_nonzero(self.features[:, 2] > 0))
            found.append(
                "structure was removed or added: what was removed varies "
                f"{self.column_excess:.2f} times as much over columns as noise; "
                f"{missing} places lack something bright, {self.n_features - missing} "
                "have something too bright (displaced rows and sharp edges of the "
                "background show like this as well)"
            )
        elif self.sd_ratio > _TOO_MUCH:
            found.append(
                f"more was removed than the noise that was measured: "
                f"{self.sd_ratio:.2f} of its SD (noise correlated between pixels, "
                "displaced rows, or fine structure)"
            )
        return tuple(found)

    def summary(self):
        """Text with all numbers and what follows from them.

        Returns
        -------
        str
        """
        lines = [
            "what was removed, compared with the noise of the image",
            f"  SD                     {self.sd:.4g}, noise {self.noise_sd:.4g}: "
            f"ratio {self.sd_ratio:.2f} (1)",
            f"  correlation of {self.lines:<8}{self.row_correlation:+.3f} ± "
            f"{self.row_correlation_error:.3f} (0)",
            f"  share of the structure {self.structure_slope:+.3f} ± "
            f"{self.structure_slope_error:.3f} (0)",
            f"  excess over columns    {self.column_excess:.2f} (1)",
            f"  places that stand out  {self.n_features} (0)",
        ]
        lines += [f"  -> {finding}" for finding in self.findings] or [
            "  -> consistent with the noise, and with nothing else"
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def plot(self):
        """Show what was removed, where it stands out, and its distribution.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .residual_plot import plot_report

        return plot_report(self)


def report_residual(
    image, enhanced, mode="HAADF", background_kept=False, contrast="bright"
):
    """Compare what an enhancement removed with the noise of the image.

    Parameters
    ----------
    image : array-like, shape (h, w)
        As recorded; pixels that are not finite are left out.
    enhanced : array-like, shape (h, w)
        What any method made of it, in the same units.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
        Of the image. Columns of `enhanced` are bright on zero in all.
    background_kept : bool, default False
        Whether `enhanced` has the background of the image (and columns as
        dark as there). Otherwise what is smooth over about 8 pixels beside
        the columns is no part of what was removed.
    contrast : {"bright", "dark"}, default "bright"
        Of the columns of an HRTEM image.

    Returns
    -------
    ResidualReport

    Raises
    ------
    ValueError
        If the shapes differ, the mode is unknown, or the image is smaller
        than 16 pixels along a side.

    Notes
    -----
    Noise of scanned images is independent between rows. What was removed
    is averaged over the width of a column along each row, then over rows;
    from the mean square of the first follows what the second may be. What
    exceeds it is no noise, however much it hangs together along a row. In
    HRTEM images it is columns of pixels that are independent.

    Examples
    --------
    >>> from hyperspy_stem_enhance.enhance.run import enhance_frames
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> scene = draw_scene(seed=1, index=0, arrangement="perfect")
    >>> enhanced = enhance_frames(scene.noisy[None])[0]
    >>> report = report_residual(scene.noisy, enhanced)
    >>> 0.8 < report.sd_ratio < 1.2
    True
    """
    image, enhanced = np.asarray(image), np.asarray(enhanced, np.float32)
    if image.shape != enhanced.shape or image.ndim != 2:
        raise ValueError(
            f"enhanced has the shape {enhanced.shape} and image {image.shape}; give "
            "the same image before and after."
        )
    imaging = imaging_mode(mode, contrast)
    calibration = calibrate_image(image, mode)
    sense = "BF" if imaging.dark_columns else "HAADF"
    kept = (
        enhanced if background_kept else add_lowpass_background(image, enhanced, sense)
    )
    finite = np.isfinite(image) & np.isfinite(kept)
    removed = np.where(finite, image - kept, 0).astype(np.float32)
    removed -= np.where(finite, removed[finite].mean(), 0).astype(np.float32)
    sign, orient = imaging.sign, imaging.orient_noise_axis
    columns = sign * np.where(finite, kept, 0)
    columns = columns - local_mean(columns)
    width = _column_sd(columns)
    across, structure = map(orient, (sign * removed, columns))
    slope, slope_error = _slope(across, structure, width)
    correlation = _row_correlation(across)
    significance, excess = _significance(across, width)
    significance = orient(significance)
    noise_sd = calibration.levels.noise_sd
    sd = float(removed[finite].std())
    return ResidualReport(
        sd=sd,
        noise_sd=noise_sd,
        sd_ratio=sd / noise_sd if noise_sd > 0 else np.nan,
        row_correlation=correlation[0],
        row_correlation_error=correlation[1],
        structure_slope=slope,
        structure_slope_error=slope_error,
        column_excess=excess,
        features=_features(significance, width),
        removed=removed,
        significance=significance,
        notes=calibration.notes,
        lines="rows" if imaging.scanned else "columns",
    )


def _slope(removed, structure, width):
    """Regression of what was removed on the structure, rows as samples."""
    # Blurred, so that noise left in the structure is not taken for it
    smooth = gaussian_filter(structure, width)
    products, squares = (removed * smooth).sum(1), (structure * smooth).sum(1)
    total = float(squares.sum())
    if total <= 0:
        return 0.0, np.inf
    slope = float(products.sum()) / total
    return slope, float(np.sqrt(((products - slope * squares) ** 2).sum()) / total)


def _row_correlation(removed):
    """Correlation of neighbouring rows, and its standard error."""
    products = (removed[1:] * removed[:-1]).sum(1)
    square = float((removed**2).sum()) * (len(removed) - 1) / len(removed)
    if square <= 0:
        return 0.0, np.inf
    error = float(np.sqrt((products**2).sum()) / square)
    return float(products.sum()) / square, error


def _column_sd(columns):
    """SD of the columns, or of the middle of wide ones, in pixels."""
    sigma = estimate_width(columns)
    known = np.isfinite(sigma) and sigma > 0
    return min(float(sigma), _WIDEST) if known else _COLUMN_SD


def _significance(removed, width):
    """What was removed, averaged over a column, in SDs of noise; its SD."""
    along = gaussian_filter1d(removed, width, axis=1)
    averaged = gaussian_filter1d(along, width, axis=0)
    kernel = gaussian_filter1d(
        np.eye(1, 8 * int(width + 1) + 1, 4 * int(width + 1))[0], width
    )
    variance = np.maximum(local_mean(along**2), 0) * (kernel**2).sum()
    excess = float(np.sqrt((averaged**2).mean() / max(variance.mean(), 1e-30)))
    overall = 0.1 * variance.mean()
    return (averaged / np.sqrt(np.maximum(variance, overall) + 1e-30)), excess


def _features(significance, width):
    """Places that stand out: y, x and by how much."""
    size = 2 * int(np.ceil(2 * width)) + 1
    magnitude = np.abs(significance)
    peak = (magnitude == maximum_filter(magnitude, size)) & (magnitude > _FEATURE)
    at = np.argwhere(peak)
    return np.column_stack([at, significance[peak]]).astype(float)
