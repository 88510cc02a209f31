"""Readers and converters of other people's data sets, for training, demo and tests; never part of the product."""
