"""Figures that the papers print, measured on their authors' own data.

Li et al., CVPR 2025, tables 1, 5, 6 and 7: PSNR in dB and SSIM.  Its test
images are not public, so no other figure is comparable with these one by one;
their order and gaps are what a comparison on other data can look for.
"""

PUBLISHED = {
    ("1", "ABSF"): {"HAADF": (16.40, 0.3658), "BF": (10.32, 0.7949)},
    ("1", "Wiener"): {"HAADF": (16.43, 0.3267), "BF": (10.23, 0.8081)},
    ("1", "U-Net"): {"HAADF": (34.33, 0.8994), "BF": (30.26, 0.9673)},
    ("1", "FCN"): {"HAADF": (36.50, 0.9449), "BF": (32.22, 0.9847)},
    ("1", "SFIN"): {"HAADF": (38.48, 0.9582), "BF": (33.24, 0.9885)},
    ("5", "U-Net"): {"HAADF": (26.14, 0.8293), "BF": (23.76, 0.8065)},
    ("5", "FCN"): {"HAADF": (26.82, 0.9367), "BF": (24.58, 0.9148)},
    ("5", "SFIN"): {"HAADF": (28.67, 0.9642), "BF": (25.77, 0.9430)},
    ("6", "U-Net"): {"HAADF": (29.73, 0.8398)},
    ("6", "FCN"): {"HAADF": (32.11, 0.8943)},
    ("6", "SFIN"): {"HAADF": (41.74, 0.9933)},
    ("7", "SFIN, spatial only"): {"HAADF": (34.61, 0.9050)},
    ("7", "SFIN, no interaction"): {"HAADF": (38.38, 0.9514)},
    ("7", "SFIN"): {"HAADF": (38.48, 0.9582)},
}
"""From (table, method) to mode to (PSNR, SSIM)."""

# Li et al., CVPR 2026, table 1 and its table of IoU: disordered and ordered
# arrangements with the noise of HRTEM ("NUC"), and the data of the SFIN paper.
PUBLISHED_SCGN = {
    "Gaussian": {"HRTEM": (8.26, 0.0207, 0.0940), "HAADF": (16.43, 0.3267, 0.0736)},
    "U-Net": {"HRTEM": (23.44, 0.9452, 0.6393), "HAADF": (34.33, 0.8994, 0.4507)},
    "SFIN": {"HRTEM": (25.70, 0.9673, 0.7124), "HAADF": (38.48, 0.9582, 0.5694)},
    "SCGN": {"HRTEM": (26.55, 0.9717, 0.7317), "HAADF": (38.99, 0.9634, 0.6083)},
}
"""From method to mode to (PSNR, SSIM, IoU)."""
