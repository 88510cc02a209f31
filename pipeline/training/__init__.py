"""What makes the weights: `python -m pipeline.training PIPELINE`."""
