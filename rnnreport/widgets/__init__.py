"""Things a reader can move: for each a Python module with its class, and a JavaScript module of the same name.

What a widget shows is computed in its JavaScript, so that it moves in the built page, where there is no kernel; in
JupyterLab its traits follow the controls and the controls follow its traits. ``page.js`` holds what the scripts share,
``weights.js`` how they read the numbers that come with the page, ``page.py`` what the classes share, and
``widgets.css`` serves them all. Trained networks run in :class:`~palindrome_reader.PalindromeReader` and
:class:`~character_writer.CharacterWriter`. A script exports what it computes as plain functions, for the tests to hold
against the library's, and ``{ render }`` by default.
"""
