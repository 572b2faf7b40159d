"""The report of a study: one HTML file with everything in it."""
