"""Helm's SDK is there for Linux on x86-64 alone; elsewhere the commands of the guides cannot be tried."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("helm_python") else ["test_guides.py", "test_operate.py"]
