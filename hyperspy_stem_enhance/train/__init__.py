"""Training of networks on simulated frames."""
