"""CEL is there for Linux on x86-64 alone; elsewhere the policy is not evaluated."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("cel_expr_python") else ["test_policy.py", "test_styles.py"]
