"""DICOM on disk becomes numbers in patient millimetres here, and nowhere else."""
