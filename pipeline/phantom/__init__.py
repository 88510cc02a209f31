"""Synthetic studies: heads that never were, for the demo, the tests and the training."""

from pipeline.phantom.phantom import Phantom, PhantomLesion, t1c_phantom

__all__ = ["Phantom", "PhantomLesion", "t1c_phantom"]
