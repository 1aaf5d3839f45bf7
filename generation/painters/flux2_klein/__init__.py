"""FLUX.2 klein: a transformer that reads words and reference pictures alike, distilled to four steps."""
