"""The DICOM conformance statement, made from the running code and the configuration (PS3.2)."""
