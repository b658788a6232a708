"""`python -m streamlearner` is the command line."""

from streamlearner.commands.main import main

if __name__ == "__main__":
    main()
