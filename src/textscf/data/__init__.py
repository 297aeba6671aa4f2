"""Data: download, simulation, preprocessing, and the prepared cohort with its pairs."""
