"""Models on ONNX Runtime: generators, critics and decoders. Nothing here knows of time or of wires."""
