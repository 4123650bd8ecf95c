"""The serial link: frames, client, ports."""
