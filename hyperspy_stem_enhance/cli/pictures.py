"""Pictures that HyperSpy's readers take for something else than they are.

Animated GIF, PNG and WebP files, of which HyperSpy takes one frame, or fails
over several; grey pictures with transparency; and TIFF files whose writer
took the 3 or 4 frames of a series for the planes of a colour image. Pillow
and tifffile, which HyperSpy reads them with, have all that is in them.
"""

import warnings

import numpy as np

_ANIMATED = (".gif", ".png", ".apng", ".webp")
_TIFF = (".tif", ".tiff")


def load_pictures(path):
    """Load a picture where HyperSpy cannot.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    hyperspy.api.signals.Signal2D or None
        One frame after another; grey where the channels of all are equal.
        None for anything that HyperSpy reads as it should.

    Raises
    ------
    ValueError
        If the file is not what its extension says.
    OSError
        If it is damaged so that no frame can be read.

    Warns
    -----
    UserWarning
        If frames are damaged, or planes of colours are taken for frames.
    """
    suffix = path.suffix.lower()
    if suffix in _ANIMATED:
        return _load_animated(path)
    return _load_planes(path) if suffix in _TIFF else None


def _load_animated(path):
    import hyperspy.api as hs
    from PIL import Image, UnidentifiedImageError
    from rsciio.utils.rgb import regular_array2rgbx

    try:
        picture = Image.open(path)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"it is no picture that Pillow knows, though named {path.suffix}; it may "
            "be damaged, or of another format"
        ) from error
    with picture:
        number = getattr(picture, "n_frames", 1)
        if number == 1:
            if picture.mode != "LA":
                return None
            return hs.signals.Signal2D(np.array(picture.convert("L")))
        frames = np.stack(_read_frames(picture, number))
    if (frames == frames[..., :1]).all():
        return hs.signals.Signal2D(frames[..., 0].copy())
    return hs.signals.Signal2D(regular_array2rgbx(frames))


def _read_frames(picture, number):
    """Frames with one or three channels, as far as they can be read."""
    frames = []
    for index in range(number):
        try:
            picture.seek(index)
            deep = picture.mode.startswith("I")  # 16 bits, which colours have not
            frame = picture if deep else picture.convert("RGB")
            frames.append(np.atleast_3d(np.array(frame)))
        except (OSError, EOFError):
            if not frames:
                raise
            warnings.warn(
                f"of {number} frames, only the first {index} can be read; the file "
                "is damaged",
                UserWarning,
                stacklevel=2,
            )
            break
    return frames


def _load_planes(path):
    import hyperspy.api as hs
    from tifffile import PLANARCONFIG, TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            page = file.pages[0]
            together = page.planarconfig != PLANARCONFIG.SEPARATE
            if page.samplesperpixel == 1 or together:
                return None
            planes = file.series[0].asarray()
    except (TiffFileError, IndexError):
        return None  # HyperSpy's reader says what is wrong
    if (planes == planes[..., :1, :, :]).all():
        return hs.signals.Signal2D(planes[..., 0, :, :].copy())
    warnings.warn(
        f"the file says that its {planes.shape[-3]} planes are colours of one image, "
        "as some writers do with short series; they are taken as frames",
        UserWarning,
        stacklevel=3,
    )
    return hs.signals.Signal2D(planes)
