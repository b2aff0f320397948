"""How good an encoding is: metrics, scorers, spectra, reports."""
