"""``python -m hyperspy_stem_enhance``: the command ``stem-enhance``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
