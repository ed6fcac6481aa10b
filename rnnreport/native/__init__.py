"""Optional C++ kernels that do the same as :mod:`rnnreport.recurrence`, faster. No other code needs this folder.

A backend selects them, see :mod:`rnnreport.backends`; float32 on the CPU only, one thread. ``library`` builds and keeps
the library, and can tell without torch whether it is there; ``autograd`` loads it.
"""
