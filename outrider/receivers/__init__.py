"""Ways in for programs that say by themselves what they measure and log."""
