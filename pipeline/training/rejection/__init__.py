"""Parts of the training of a false-positive step: candidates, SVM, baselines, figures, card."""
