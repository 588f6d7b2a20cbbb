"""From bytes on a node to whole records: discovery, rotation, CRI and docker lines, joining, cursors."""
