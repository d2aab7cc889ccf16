"""The GNOME Release Service: from a tarball to a published release.

Read ``publish.py`` first; the directory listing is the glossary.
"""
