"""``python -m lossearch`` is the command line."""

from lossearch.cli import main

if __name__ == "__main__":
    main()
