"""The views of the Diagnosis page, one file each."""
