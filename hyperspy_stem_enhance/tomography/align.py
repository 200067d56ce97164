"""Plain alignment of tilt series, for those that no other program aligned.

Along the tilt axis the mass of each slice is the same in all views, so that
profiles along the axis are compared by cross-correlation. Across it the
centre of mass of an object that is wholly in view moves as that of a point:
views are shifted until it stands on the axis; after Sanders et al.,
"Physically motivated global alignment method for electron tomography",
Advanced Structural and Chemical Imaging 1 (2015) 4. The turn of the axis is
where moments of the views are most consistent with projections. Objects that
leave the view need markers or the cross-correlation of ETSpy instead.
"""

from dataclasses import dataclass

import numpy as np

from .prepare import bin_views, orient_axis

_ROUNDS = 2  # what a shift brings into view is not known before
_PROFILE_ROUNDS = 5  # the window around the profiles holds shifts back
_UPSAMPLING = 20  # of the cross-correlation: a twentieth of a pixel
_BORDER_SHARE = 0.05  # of a view's height
# Of the brightest line, above the background, on the first and last lines of the
# views: 0 of an object that is wholly in view, about 1 of a film
_WHOLE_SHARE = 0.1
_SEARCH_PIXELS = 64  # along the smaller side: enough to find the turn of the axis
_SEARCH_DEGREES = np.arange(-12.0, 12.1, 3.0)
_NARROW_TILTS = 0.05  # of singular values: cosine and constant cannot be told apart
_SMOOTH_PIXELS = 1.0
_TURN_DEGREES = 0.05
_DEGREES = 1  # of the moments that are compared; higher ones are mostly noise
_LOOSE_BORDER = 0.12  # of the length along x, where a turn brings other slices in
_FAR_BETTER = 3.0  # in sums of squares, so that noise alone is never taken for it
_SURE_GAIN = 9.0  # of a sum of squares in units of the variance: three sigma


@dataclass(frozen=True)
class Alignment:
    """How views lie off, and how the tilt axis lies in them.

    Attributes
    ----------
    shifts : numpy.ndarray of float64, shape (n, 2)
        (y, x) in pixels by which each view lies off, after the rotation is
        taken back.
    rotation : float
        Angle of the tilt axis to x, in degrees, from x towards y.
    """

    shifts: np.ndarray
    rotation: float

    def misalignment(self, angles):
        """Root mean square by which the views lie off, in pixels.

        Without what is a move of the object, and without the rotation.

        Parameters
        ----------
        angles : numpy.ndarray of float, shape (n,)
            In degrees.

        Returns
        -------
        float
        """
        angles = np.deg2rad(np.asarray(angles, float))
        off = self.shifts.copy()
        model = np.stack([np.ones(len(angles)), np.cos(angles), np.sin(angles)], axis=1)
        point = np.linalg.pinv(model, _NARROW_TILTS) @ off[:, 0]
        off[:, 0] -= model[:, 1:] @ point[1:]
        return float(np.sqrt((off**2).sum(axis=1).mean()))

    def apply(self, views):
        """Move views to where they belong.

        Parameters
        ----------
        views : numpy.ndarray, shape (n, y, x)

        Returns
        -------
        numpy.ndarray of float32, shape (n, y, x)
            Interpolated by cubic splines; what comes in at an edge repeats
            the edge.

        Examples
        --------
        >>> import numpy as np
        >>> views = np.zeros((1, 16, 16))
        >>> views[0, 9, 6] = 1
        >>> moved = Alignment(np.array([[2.0, -1.0]]), 0.0).apply(views)
        >>> np.unravel_index(moved[0].argmax(), (16, 16))
        (np.int64(7), np.int64(7))
        """
        from scipy.ndimage import affine_transform

        turn = np.deg2rad(self.rotation)
        cosine, sine = np.cos(turn), np.sin(turn)
        # From where in the view as it is a pixel (y, x) of the right one comes
        matrix = np.array([[cosine, sine], [-sine, cosine]])
        middle = (np.array(views.shape[1:]) - 1) / 2
        moved = np.empty(views.shape, np.float32)
        for view, shift, out in zip(views, self.shifts, moved, strict=True):
            offset = middle + matrix @ (shift - middle)
            affine_transform(
                view.astype(np.float32, copy=False),
                matrix,
                offset,
                output=out,
                order=3,
                mode="nearest",
            )
        return moved


def find_alignment(views, angles, level=0.0, rotation=None):
    """Find how the views of a whole object lie off the tilt axis.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, y, x)
        Bright object, tilt axis about along x.
    angles : numpy.ndarray of float, shape (n,)
        In degrees.
    level : float or numpy.ndarray of float, shape (n,), default 0
        Of the background.
    rotation : float, optional
        Angle of the tilt axis to x in degrees, where it is known. By default
        it is measured, up to 12 degrees.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        If a view has no intensity above the background.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series(
    ...     "core-shell", 48, n_views=15, counts=400, misalignment=2
    ... )
    >>> found = find_alignment(data.views, data.tilts, rotation=0)
    >>> bool(np.std(found.shifts[:, 1] - data.shifts[:, 1]) < 0.1)
    True
    """
    levels = np.broadcast_to(np.asarray(level, float), len(views))[:, None, None]
    above = (views - levels).astype(np.float32)
    sums = above.sum(axis=(1, 2), dtype=float)
    if not (sums > 0).all():
        dark = ", ".join(map(str, np.flatnonzero(~(sums > 0))))
        raise ValueError(f"views {dark} have no intensity above the background")
    above /= (sums / sums.mean())[:, None, None]
    angles = np.deg2rad(np.asarray(angles, float))
    turn = rotation or 0.0
    shifts = _find_shifts(above, angles, np.zeros((len(views), 2)), turn)
    if rotation is None and len(views) > 2:
        turn = _turn_of_axis(above, angles, shifts, turn)
        shifts = _find_shifts(above, angles, shifts, turn)
    # Across the axis the object comes to stand on it; along it, it stays
    shifts[:, 1] -= np.median(shifts[:, 1])
    return Alignment(shifts, float(turn))


def consistency_gain(views, angles, alignment):
    """How much more consistent an alignment makes views, as a ratio of variances.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, y, x)
        Above the background.
    angles : numpy.ndarray of float, shape (n,)
        In degrees.
    alignment : Alignment

    Returns
    -------
    float
        About 1 where there was nothing to align but noise.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series(size=32, n_views=9, misalignment=2)
    >>> alignment = find_alignment(data.views, data.tilts, rotation=0)
    >>> consistency_gain(data.views, data.tilts, alignment) > 2
    True
    """
    small, factor = _small(views)
    moved = Alignment(alignment.shifts / factor, alignment.rotation).apply(small)
    radians = np.deg2rad(np.asarray(angles, float))
    before, after = (
        _inconsistency(some / some.sum(axis=(1, 2), keepdims=True), radians)
        for some in (small, moved)
    )
    return before / after


def axis_seems_vertical(views, angles):
    """Tell whether views fit a tilt axis along y far better than one along x.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, y, x)
        Above the background, of an object that is wholly in view.
    angles : numpy.ndarray of float, shape (n,)
        In degrees.

    Returns
    -------
    bool

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series(size=48, n_views=9)
    >>> turned = data.views.swapaxes(1, 2)
    >>> axis_seems_vertical(data.views, data.tilts)
    False
    >>> axis_seems_vertical(turned, data.tilts)
    True
    """
    angles = np.deg2rad(np.asarray(angles, float))
    costs = []
    for turns in (0, 1):
        small, _ = _small(orient_axis(views, turns))
        small /= small.sum(axis=(1, 2), keepdims=True)
        shifts = _find_shifts(small, angles, np.zeros((len(views), 2)), 0.0)
        moved = Alignment(shifts, 0.0).apply(small)
        costs.append(_inconsistency(moved, angles))
    return bool(costs[0] > _FAR_BETTER * costs[1])


def is_whole(views, level=0.0):
    """Tell whether an object is wholly in view across the tilt axis.

    Parameters
    ----------
    views : numpy.ndarray, shape (n, y, x)
    level : float, default 0
        Of the background.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> views = np.zeros((3, 32, 32))
    >>> views[:, 8:24] = 1
    >>> is_whole(views), is_whole(views[:, 8:])
    (True, False)
    """
    lines = np.mean(views, axis=2, dtype=float) - level
    n_border = max(1, round(_BORDER_SHARE * lines.shape[1]))
    borders = np.stack([lines[:, :n_border], lines[:, -n_border:]]).mean(axis=2)
    return bool((borders / lines.max(axis=1)).mean() < _WHOLE_SHARE)


def _find_shifts(views, angles, shifts, turn):
    for _ in range(_ROUNDS):
        moved = Alignment(shifts, turn).apply(views)
        off = np.stack([_shifts_across_axis(moved), _shifts_along_axis(moved, angles)])
        shifts = shifts + off.T
    return shifts


def _shifts_along_axis(views, angles):
    """Shifts of the profiles along x, which are the same in all views."""
    profiles = views.sum(axis=1, dtype=float)
    # The least tilted view is the first that others are compared with
    reference = profiles[np.argmin(np.abs(angles))]
    shifts = np.zeros(len(views))
    for _ in range(_PROFILE_ROUNDS):
        pairs = zip(profiles, shifts, strict=True)
        moved = np.array([_move(profile, -shift) for profile, shift in pairs])
        shifts += [_shift_between(reference, profile) for profile in moved]
        pairs = zip(profiles, shifts, strict=True)
        reference = np.mean(
            [_move(profile, -shift) for profile, shift in pairs], axis=0
        )
    return shifts


def _shift_between(reference, profile):
    """By how much a profile lies off a reference, by cross-correlation."""
    size = len(profile)
    window = np.hanning(size + 2)[1:-1]
    spectra = [
        np.fft.rfft(window * (p - p.mean()), 2 * size) for p in (reference, profile)
    ]
    product = np.conj(spectra[0]) * spectra[1]
    correlation = np.fft.irfft(product, 2 * size * _UPSAMPLING)
    best = int(np.argmax(correlation))
    n = len(correlation)
    return (best if best <= n // 2 else best - n) / _UPSAMPLING


def _move(profile, shift):
    positions = np.arange(len(profile))
    return np.interp(positions - shift, positions, profile)


def _shifts_across_axis(views):
    """Distance of the centre of mass of each view from the middle along y."""
    y = np.arange(views.shape[1]) - (views.shape[1] - 1) / 2
    lines = views.sum(axis=2, dtype=float)
    return lines @ y / lines.sum(axis=1)


def _turn_of_axis(views, angles, shifts, turn):
    """Angle of the tilt axis at which the views are consistent, in degrees.

    The angle before is kept where another is not better by more than noise:
    the views of a ball say nothing about it.
    """
    from scipy.optimize import minimize_scalar

    small, factor = _small(views)
    small_shifts = shifts / factor

    def cost(angle):
        moved = Alignment(small_shifts, angle).apply(small)
        off = np.stack([_shifts_across_axis(moved), _shifts_along_axis(moved, angles)])
        moved = Alignment(small_shifts + off.T, angle).apply(small)
        return _inconsistency(moved, angles)

    tried = turn + _SEARCH_DEGREES
    costs = [cost(angle) for angle in tried]
    best = int(np.argmin(costs))
    if best in (0, len(tried) - 1):  # none in between is better
        return turn
    bounds = (tried[best - 1], tried[best + 1])
    found = minimize_scalar(
        cost, bounds=bounds, method="bounded", options={"xatol": _TURN_DEGREES}
    )
    independent = small.shape[2] / (2 * np.sqrt(np.pi) * _SMOOTH_PIXELS)
    freedom = (_DEGREES + 1) * len(views) * independent
    gain = (cost(turn) - found.fun) * freedom / found.fun
    return float(found.x) if gain > _SURE_GAIN else turn


def _small(views):
    """Binned and smoothed views, and the pixels along a side that were binned.

    Smooth, since a turn that interpolates more would seem better: it has less noise.
    """
    from scipy.ndimage import gaussian_filter

    factor = max(1, min(views.shape[1:]) // _SEARCH_PIXELS)
    sigma = (0, _SMOOTH_PIXELS, _SMOOTH_PIXELS)
    return gaussian_filter(bin_views(views, factor), sigma), factor


def _inconsistency(views, angles):
    """How far views are from projections about an axis in their middle along x.

    The k-th moment along y of a slice across the axis is a homogeneous polynomial
    of degree k in cosine and sine of the tilt (Helgason and Ludwig). Returned is
    the sum of squares of what is not, relative to the noise of each moment.
    """
    border = int(_LOOSE_BORDER * views.shape[2])
    views = views[:, :, border : views.shape[2] - border]
    y = np.linspace(-1, 1, views.shape[1])
    cosine, sine = np.cos(angles), np.sin(angles)
    total = 0.0
    for degree in range(_DEGREES + 1):
        moments = np.einsum("nyx,y->nx", views, y**degree)
        powers = np.arange(degree + 1)
        model = cosine[:, None] ** (degree - powers) * sine[:, None] ** powers
        fitted = model @ (np.linalg.pinv(model) @ moments)
        total += ((moments - fitted) ** 2).sum() / (y ** (2 * degree)).sum()
    return float(total)
