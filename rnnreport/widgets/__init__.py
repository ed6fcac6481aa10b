"""Interactive widgets: for each a Python module with its class, and a JavaScript module of the same name.

A widget's JavaScript computes what it shows, so that it also works in the built page, where there is no kernel. In
JupyterLab its traits follow the controls, and the controls follow its traits. ``page.js`` holds what the scripts share,
``weights.js`` reads the numbers that come with the page, ``page.py`` holds what the classes share, and ``widgets.css``
serves them all. Trained networks run in :class:`~palindrome_reader.PalindromeReader` and, by ``writer.js``, in
:class:`~character_writer.CharacterWriter`. A script exports its computations as plain functions, which the tests
compare with the library's, and ``{ render }`` by default.
"""
