"""What is measured on columns and stays an ``AtomPositions`` or a summary."""


class AtomMeasurements:
    """Methods of ``AtomPositions`` that measure on the columns."""
