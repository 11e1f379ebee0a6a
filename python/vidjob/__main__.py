"""``python -m vidjob``."""

from vidjob.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
