"""`python -m release_service.client`: the same as `gnome-release`."""

from release_service.client.app import main

main()
