"""What is computed: from DICOM files to findings to DICOM objects. Knows nothing of networks or hospitals."""
