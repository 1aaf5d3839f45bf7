"""Stable Diffusion 1.x and XL with decoupled cross-attention (IP-Adapter)."""
