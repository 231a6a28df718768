"""The views of the Routing page, one file each."""
