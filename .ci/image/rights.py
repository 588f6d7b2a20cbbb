"""In the Dockerfile: rights.py PYTHON. Replaces PYTHON, a link to an interpreter, by a copy that may have rights.

Log files under /var/log/pods are root's. Kubernetes gives capabilities to root only: of what a container adds, a
process with another user gets nothing, unless the file that it executes may have it. Which of them it does have the pod
decides; in one that adds none the program starts all the same, since the file asks for nothing (it has the bits as
permitted, not as effective). `collectors/rights.py` puts into effect what was got.
"""

import os
import shutil
import struct
import sys

FOWNER, DAC_READ_SEARCH = 3, 2  # linux/capability.h: link to another's file (`logs.hold`); read it
REVISION_2 = 0x02000000  # struct vfs_cap_data: magic, then permitted and inheritable, twice 32 bits of each

if __name__ == "__main__":
    (path,) = sys.argv[1:]
    interpreter = os.path.realpath(path)
    os.unlink(path)
    shutil.copy(interpreter, path)
    permitted = 1 << DAC_READ_SEARCH | 1 << FOWNER
    os.setxattr(path, "security.capability", struct.pack("<5I", REVISION_2, permitted, 0, 0, 0))
