"""The seven stations, one file each; `base.py` has what they share."""
