"""How a sidecar comes into a pod: one model of its pieces, and every way to hand them over."""
