"""``python -m hmtnet`` is ``hmtnet``."""

import sys

from hmtnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
