"""Optional kernels in C++ that do what :mod:`rnnreport.recurrence` does, faster. Nothing else needs this folder.

They are chosen by a backend, see :mod:`rnnreport.backends`; float32 on the CPU only, one thread. ``library`` builds and
keeps what is made of the sources, and needs no torch to tell whether it is there; ``autograd`` loads it.
"""
