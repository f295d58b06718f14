"""The serving of the reference design, rebuilt from the same public libraries as alternative stages of the same graph.

Feast reads the items of every request (or once, into arrays). NVTabular workflows run the transforms, and TensorFlow
runs query tower and ranker. All other stages are this project's own, which favors the reference design.
"""
