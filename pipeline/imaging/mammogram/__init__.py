"""Mammograms: which images of a study can be read, and from DICOM pixels to a breast that lies as all others do."""
