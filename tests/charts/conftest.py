"""Helm's SDK is there for Linux on x86-64 alone; elsewhere there are no tests of charts."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("helm_python") else ["test_*.py"]
