"""Fitting calibrations: of the profile that ships, from labelled corpora, and of a site's own, from its calls."""
