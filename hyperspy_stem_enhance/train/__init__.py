"""Training of networks on simulated frames, and fine-tuning on own noise."""

from .fine_tune import fine_tune

__all__ = ["fine_tune"]
