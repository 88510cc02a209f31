"""Radiomics of candidates and the classifier that turns the false ones down; for any recipe."""
