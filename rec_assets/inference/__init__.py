"""Lookups, ONNX models, the item index and the merge of candidates: shared by training, evaluation and serving."""
