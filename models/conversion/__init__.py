"""From dlib's serialised weights to ONNX and npz, in pure Python: read once, convert once, never needed again at run time."""
