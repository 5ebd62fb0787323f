"""A whole Homeport on one machine: what ./dev up, the end-to-end tests and the benches start."""
