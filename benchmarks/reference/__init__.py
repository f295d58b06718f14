"""The reference's serving design, rebuilt from the same public libraries as alternative stages of the same graph.

Feast for the items of every request (or once, into arrays), NVTabular workflows for the transforms, TensorFlow for the
towers and the ranker; everything else is this project's own stage, which favors the reference.
"""
