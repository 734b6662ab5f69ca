"""From torch modules to ONNX graphs."""
