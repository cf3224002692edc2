"""What every decoder of image files must know of Pillow."""

import struct

MAX_PIXELS = 100_000_000
"""300 MB as RGB; a file that claims more is damaged or hostile."""

DAMAGED = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error)
"""What Pillow raises for damaged files, beside its own UnidentifiedImageError (an OSError)."""
