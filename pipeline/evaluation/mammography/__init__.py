"""How good a pipeline on mammograms is: scores and marks against the truth of women's studies."""
