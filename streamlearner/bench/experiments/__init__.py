"""One experiment a file: its arms, its protocol, how one trial is run."""
