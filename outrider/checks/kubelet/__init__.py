"""The kubelet, read: what a node, its pods and their containers use."""
