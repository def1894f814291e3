"""What stands between a command and the network: `tallystick exec`.

`destinations` decides, `authority` vouches, `proxy` carries, and the two preloads bring in the
programs that do not ask for a proxy: `preload.cjs` in Node, `preload.py` in Python.
"""
