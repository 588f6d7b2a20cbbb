"""Which checks a pod's annotations ask for, and what is wrong with them: no clock, no network, no files."""
