"""One module for each thing that is measured; `measure` gives its tables."""
