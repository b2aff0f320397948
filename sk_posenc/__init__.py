"""Positional encodings for signals over coordinates, as scikit-learn estimators.

Encoders turn coordinates into features, heads fit signals on them, and scorers
measure what an encoding can memorise and how well it generalises between
samples. A name is imported when it is first used; ``__init__.pyi`` lists all names.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
