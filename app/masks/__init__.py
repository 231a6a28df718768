"""The views of the Masks page, one file each."""
