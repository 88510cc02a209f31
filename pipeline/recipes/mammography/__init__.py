"""Suspicious marks on mammograms, breast by breast, from all views of a study together."""
